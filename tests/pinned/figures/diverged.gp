set encoding utf8
set terminal svg enhanced size 600,420 font 'Helvetica,Arial,sans-serif,14' background 'white'
set border 3 lw 1 lc rgb '#222222'
set tics out nomirror scale 0.7,0.35
set title "curves" noenhanced offset 0,-0.3
unset arrow
unset label
set logscale x
set nologscale y
set xrange [0.8771988208137589:797.9946887646573]
set yrange [0:1.0462011286768569]
set xtics ("" 0.9 1, "1" 1 0, "" 2 1, "" 3 1, "" 4 1, "" 5 1, "" 6 1, "" 7 1, "" 8 1, "" 9 1, "10" 10 0, "" 20 1, "" 30 1, "" 40 1, "" 50 1, "" 60 1, "" 70 1, "" 80 1, "" 90 1, "10^{2}" 100 0, "" 200 1, "" 300 1, "" 400 1, "" 500 1, "" 600 1, "" 700 1)
set ytics ("0" 0 0, "0.5" 0.5 0, "1" 1 0)
set xlabel "optimizer step\n{/*0.3  }" offset 0,0.3
set ylabel "excess MSE [label²]" noenhanced
set key outside center bottom horizontal maxcols 2 Left reverse samplen 2.2 spacing 1.15
set arrow from 700, graph 0 to 700, graph 1 nohead dt 2 lw 1.2 lc rgb '#555555'
set label 'diverges at step 700' at 700, graph 0.05 right offset -0.7,0 tc rgb '#555555'
$p0s0 << EOD
1 0.4242640687119285 0.9899494936611666
2 0.34641016151377546 0.808290376865476
5 0.2449489742783178 0.5715476066494083
12 0.16641005886756874 0.3882901373576604
40 0.09370425713316363 0.2186432666440485
130 0.052422243399662276 0.12231856793254531
EOD
$p0s1 << EOD
40 0.15617376188860607
130 0.0873704056661038
EOD
$p0s2 << EOD
1 0.7071067811865476
2 0.5773502691896257
5 0.408248290463863
12 0.2773500981126146
40 0.15617376188860607
EOD
plot $p0s0 using 1:2:3 with filledcurves fc rgb '#0072B2' fs transparent solid 0.2 noborder title "theory, ± 2 s.d. of one run" noenhanced, \
     $p0s1 using 1:2 with lines lw 1.6 dt 2 lc rgb '#0072B2' title "theory, beyond its validity" noenhanced, \
     $p0s2 using 1:2 with lines lw 2 lc rgb '#0072B2' title "theory" noenhanced
