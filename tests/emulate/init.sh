#!/bin/busybox sh
# The first process of the emulated machine (emulate.sh): runs the lines of /programs one after the other and switches
# the machine off. Its last line on the serial port tells the first exit status that was not 0, or 0.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp GTEST_COLOR=no
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
stty -F /dev/ttyS0 -onlcr

flags=$(grep -m1 '^flags' /proc/cpuinfo | tr ' ' '\n' | grep -E '^(avx2|avx512|fma$)' | tr '\n' ' ')
echo "== $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1): $flags"

first_failure=0
while read -r line; do
  echo "== ${line##*/tests/}"
  eval "$line" </dev/null
  status=$?
  if [ "$status" -ne 0 ]; then
    echo "== exit status $status"
    [ "$status" -lt 128 ] || dmesg | tail -n 5  # ended by a signal: the kernel knows where
    [ "$first_failure" -ne 0 ] || first_failure=$status
  fi
done </programs
echo "favor-emulate: status $first_failure"
sleep 0.1  # of a machine that is slow: what was written to the serial port is out
poweroff -f
