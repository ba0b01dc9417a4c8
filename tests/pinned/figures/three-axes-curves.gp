set encoding utf8
set terminal svg enhanced size 600,420 font 'Helvetica,Arial,sans-serif,14' background 'white'
set border 3 lw 1 lc rgb '#222222'
set tics out nomirror scale 0.7,0.35
set title "a sample, b = 0.6833" noenhanced offset 0,-0.3
unset label
unset object
unset arrow
unset colorbox
set nologscale x
set nologscale y
set xrange [-0.26666666666666666:2.266666666666666]
set yrange [-1.4186666666666663:0.7853333333333332]
set xtics ("0" -0 0, "1" 1 0, "2" 2 0)
set ytics ("−1" -1 0, "−0.5" -0.5 0, "0" 0 0, "0.5" 0.5 0)
set xlabel "a\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "slope" noenhanced
set key outside center bottom horizontal maxcols 3 Left reverse samplen 2.2 spacing 1.15
$c0b0 << EOD
0.05 0.6333333333333333 0.6333333333333333 0.6333333333333333
0.6833333333333333 0 0 0
1.3166666666666667 -0.6333333333333333 -0.6333333333333333 -0.6333333333333333
1.9499999999999997 -1.2666666666666664 -1.2666666666666664 -1.2666666666666664
EOD
$c0b1 << EOD
0.05 0.6333333333333333 0.6333333333333333 0.6333333333333333
0.6833333333333333 0 0 0
1.3166666666666667 -0.6333333333333333 -0.6333333333333333 -0.6333333333333333
1.9499999999999997 -1.2666666666666664 -1.2666666666666664 -1.2666666666666664
EOD
plot $c0b0 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#0072B2' title "sgd" noenhanced, \
     $c0b1 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#D55E00' title "sign" noenhanced
