set encoding utf8
set terminal svg enhanced size 1200,420 font 'Helvetica,Arial,sans-serif,14' background 'white'
set border 3 lw 1 lc rgb '#222222'
set tics out nomirror scale 0.7,0.35
set multiplot layout 1,2 title "a sample, a = 1" noenhanced
unset title
unset label
unset object
unset arrow
unset colorbox
set nologscale x
set nologscale y
set xrange [-0.10833333333333332:2.108333333333333]
set yrange [-1763.2512635845342:23788.667058391213]
set xtics ("0" -0 0, "0.5" 0.5 0, "1" 1 0, "1.5" 1.5 0, "2" 2 0)
set ytics ("0" -0 0, "10000" 10000 0, "20000" 20000 0)
set xlabel "b\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "" noenhanced
set key outside center bottom horizontal maxcols 3 Left reverse samplen 2.2 spacing 1.15
set object rectangle from graph 0.00000, graph 0 to graph 0.57143, graph 1 behind fc rgb '#8FC1DE' fs transparent solid 0.45 noborder
set label "low" at graph 0.28571, graph 0.95 center noenhanced front
set object rectangle from graph 0.57143, graph 0 to graph 1.00000, graph 1 behind fc rgb '#EDB58C' fs transparent solid 0.45 noborder
set label "high" at graph 0.78571, graph 0.95 center noenhanced front
$c0b0 << EOD
0.9999999999999998 -1763.2512635845342
0.9999999999999998 23788.667058391213

EOD
$c0b1 << EOD
0.05 -1.0499999999999998 -1.0499999999999998 -1.0499999999999998
0.36666666666666664 -0.7333333333333333 -0.7333333333333333 -0.7333333333333333
0.6833333333333333 -0.4166666666666665 -0.4166666666666665 -0.4166666666666665
0.9999999999999999 -0.1 -0.1 -0.1
1.3166666666666667 0.21666666666666676 0.21666666666666676 0.21666666666666676
1.6333333333333333 0.5333333333333334 0.5333333333333334 0.5333333333333334
1.9499999999999997 0.8499999999999999 0.8499999999999999 0.8499999999999999
EOD
$c0b2 << EOD
0.05 22026.465794806678 22026.465794806678 22026.465794806678
0.36666666666666664 22026.465794806678 22026.465794806678 22026.465794806678
0.6833333333333333 22026.465794806678 22026.465794806678 22026.465794806678
0.9999999999999999 22026.465794806678 22026.465794806678 22026.465794806678
1.3166666666666667 22026.465794806678 22026.465794806678 22026.465794806678
1.6333333333333333 22026.465794806678 22026.465794806678 22026.465794806678
1.9499999999999997 22026.465794806678 22026.465794806678 22026.465794806678
EOD
plot $c0b0 using 1:2 with lines lw 1.6 dt (8,5) lc rgb 'black' title "predicted: b = a" noenhanced, \
     $c0b1 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#0072B2' title "slope" noenhanced, \
     $c0b2 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#D55E00' title "time" noenhanced
unset title
unset label
unset object
unset arrow
unset colorbox
set nologscale x
set nologscale y
set xrange [-0.10833333333333332:2.108333333333333]
set yrange [20264.348531222146:23788.58305839121]
set xtics ("0" -0 0, "0.5" 0.5 0, "1" 1 0, "1.5" 1.5 0, "2" 2 0)
set ytics ("21000" 21000 0, "22000" 22000 0, "23000" 23000 0)
set xlabel "b\n{/*0.3  }" enhanced offset 0,0.3
set ylabel "time [step]" noenhanced
set key outside center bottom horizontal maxcols 3 Left reverse samplen 2.2 spacing 1.15
set object rectangle from graph 0.00000, graph 0 to graph 0.57143, graph 1 behind fc rgb '#8FC1DE' fs transparent solid 0.45 noborder
set label "low" at graph 0.28571, graph 0.95 center noenhanced front
set object rectangle from graph 0.57143, graph 0 to graph 1.00000, graph 1 behind fc rgb '#EDB58C' fs transparent solid 0.45 noborder
set label "high" at graph 0.78571, graph 0.95 center noenhanced front
$c1b0 << EOD
0.9999999999999998 20264.348531222146
0.9999999999999998 23788.58305839121

EOD
$c1b1 << EOD
0.05 22026.465794806678 22026.465794806678 22026.465794806678
0.36666666666666664 22026.465794806678 22026.465794806678 22026.465794806678
0.6833333333333333 22026.465794806678 22026.465794806678 22026.465794806678
0.9999999999999999 22026.465794806678 22026.465794806678 22026.465794806678
1.3166666666666667 22026.465794806678 22026.465794806678 22026.465794806678
1.6333333333333333 22026.465794806678 22026.465794806678 22026.465794806678
1.9499999999999997 22026.465794806678 22026.465794806678 22026.465794806678
EOD
plot $c1b0 using 1:2 with lines lw 1.6 dt (8,5) lc rgb 'black' title "predicted: b = a" noenhanced, \
     $c1b1 using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '#0072B2' notitle
unset multiplot
