set encoding utf8
set terminal svg enhanced size 1044,420 font 'Helvetica,Arial,sans-serif,14' background 'white'
set border 3 lw 1 lc rgb '#222222'
set tics out nomirror scale 0.7,0.35
set xlabel "factor u of the best tuned schedule" noenhanced
set ylabel "fraction of workloads within u" noenhanced
set key outside right top Left reverse noenhanced
set multiplot layout 1,2 title "methods" noenhanced
$profile0_0 << EOD
1 0.3333333333333333
2 0.6666666666666666
4 1
EOD
$profile0_1 << EOD
1 0.3333333333333333
1.1 0.6666666666666666
1.2 1
4 1
EOD
set title "defaults" noenhanced offset 0,-0.3
set xrange [1:4]
set yrange [0:1.02]
plot $profile0_0 using 1:2 with steps lw 2 dt 1 lc rgb '#0072B2' title "fixed" noenhanced, \
     $profile0_1 using 1:2 with steps lw 2 dt 1 lc rgb '#D55E00' title "polyak" noenhanced
$profile1_0 << EOD
1 0.3333333333333333
2 0.6666666666666666
4 1
EOD
$profile1_1 << EOD
1 0.3333333333333333
1.1 0.6666666666666666
1.2 1
4 1
EOD
set title "one setting for all workloads" noenhanced offset 0,-0.3
set xrange [1:4]
set yrange [0:1.02]
plot $profile1_0 using 1:2 with steps lw 2 dt 1 lc rgb '#0072B2' title "fixed" noenhanced, \
     $profile1_1 using 1:2 with steps lw 2 dt 1 lc rgb '#D55E00' title "polyak" noenhanced
unset multiplot
