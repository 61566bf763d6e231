#!/usr/bin/env bash
# emulate.sh <folder for what is made> <build folder> PROGRAM [ARGUMENTS...] [+ PROGRAM [ARGUMENTS...]]...
# Runs test programs on an emulated CPU with AVX-512, for machines that have none, and ends with the first exit status
# that is not 0. Called by `./dev emulate`, which tells more.
#
# Bochs interprets a PC instruction by instruction: Debian's kernel boots from a CD image whose initial RAM disk holds
# the programs, their libraries and tests/data, and speaks over a serial port that is a file here. QEMU's own emulation
# and valgrind know no AVX-512.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(realpath -m "$1")
readonly BUILD=$2
shift 2
readonly work BOCHS=${FAVOR_BOCHS:-bochs} ROOT=$work/root SERIAL=$work/serial.txt LOG=$work/bochs.log
# It has all that Highway's target AVX3 needs, and on the newer sapphire_rapids kernel 6.1 hangs.
readonly MODEL=${FAVOR_CPU_MODEL:-corei7_skylake_x}

fail() {
  printf 'emulate: %s\n' "$*" >&2
  exit 1
}

# Debian's cloud kernel: small, with the serial console built in. It is unpacked here, not installed.
find_kernel() {
  KERNEL=${FAVOR_KERNEL:-$work/kernel/vmlinuz}
  [[ ! -r $KERNEL ]] || return 0
  [[ -z ${FAVOR_KERNEL:-} ]] || fail "FAVOR_KERNEL is $KERNEL, which cannot be read"
  local package folder=$work/kernel
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" {print $2; exit}')
  [[ -n $package ]] || fail "no package of Debian's cloud kernel (apt-get update?); set FAVOR_KERNEL to a vmlinuz"
  echo "Fetching $package"
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$folder" && apt-get -q download "$package" && dpkg-deb -x ./*.deb unpacked) >"$work/download.log" 2>&1 ||
    fail "could not fetch $package, see $work/download.log (apt-get update?); or set FAVOR_KERNEL to a vmlinuz"
  mv "$folder"/unpacked/boot/vmlinuz-* "$KERNEL"
  rm -r "$folder"/*.deb "$folder/unpacked"
}

copy_into_root() { cp -rL --parents -t "$ROOT" "$@"; }

# add_program <name or path> [arguments...]: into the RAM disk, with the libraries it is linked with.
add_program() {
  local program=$1 name=$1 line
  local -a libraries
  shift
  [[ $program == */* ]] || program=$(find "$BUILD/tests" -type f -name "$name" -perm -u+x -print -quit)
  [[ -n $program && -x $program ]] || fail "there is no program $name in $BUILD/tests"
  program=$(realpath "$program")
  mapfile -t libraries < <(ldd "$program" 2>/dev/null | grep -oE '/[^ ]+')
  copy_into_root "$program" "${libraries[@]}"
  printf -v line '%q ' "$program" "$@"
  printf '%s\n' "$line" >>"$ROOT/programs"
}

add_programs() {
  local -a one=()
  rm -rf "$ROOT"
  mkdir -p "$ROOT"/{bin,proc,sys,dev,tmp}
  cp /bin/busybox "$ROOT/bin/"
  install -m 755 tests/emulate/init.sh "$ROOT/init"
  copy_into_root "$(realpath tests/data)"
  while (($#)); do
    if [[ $1 == + ]]; then
      add_program "${one[@]}"
      one=()
    else
      one+=("$1")
    fi
    shift
  done
  add_program "${one[@]}"
}

make_image() {
  local iso=$work/iso
  rm -rf "$iso"
  mkdir -p "$iso/isolinux"
  (cd "$ROOT" && find . -print0 | cpio --null --create --format newc --quiet) >"$iso/initrd"
  cp "$KERNEL" "$iso/vmlinuz"
  cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$iso/isolinux/"
  # Bochs 2.7 states the size of the compact XSAVE area wrongly, whereupon the kernel would switch AVX off: it must do
  # without XSAVEC and XSAVES (321, 323). Its messages would take longer than its work.
  cat >"$iso/isolinux/isolinux.cfg" <<-END
	default favor
	prompt 0
	label favor
	  kernel /vmlinuz
	  initrd /initrd
	  append console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable random.trust_cpu=on lsm=none clearcpuid=321,323
	END
  xorriso -as mkisofs -quiet -o "$work/image.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$iso" 2>"$work/xorriso.log" || fail "no image made, see $work/xorriso.log"
}

# Time is counted in instructions, so a slow or busy machine changes nothing that a test sees. The serial port and the
# timer take their pace from `ips`; the CPU says that it runs at 3.5 GHz, so durations that tests print mean nothing.
write_settings() {
  local display=term
  [[ -z ${FAVOR_BOCHS:-} ]] || display=nogui
  cat >"$work/bochsrc" <<-END
	config_interface: textconfig
	display_library: $display
	cpu: model=$MODEL, count=1, ips=20000000, reset_on_triple_fault=0, ignore_bad_msrs=1
	clock: sync=none, time0=1000000000
	megs: 1024
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/vgabios/vgabios.bin
	ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
	ata0-master: type=cdrom, path=$work/image.iso, status=inserted
	boot: cdrom
	com1: enabled=1, mode=file, dev=$SERIAL
	log: $LOG
	panic: action=fatal
	error: action=ignore
	info: action=ignore
	debug: action=ignore
	END
  echo c >"$work/debugger_commands"
}

# Bochs as Debian builds it waits for its debugger's "continue", and draws the PC's screen on a terminal that it makes
# and names. It would stop for ever when nobody reads what it draws.
start_bochs() {
  local command
  printf -v command '%q ' "$BOCHS" -q -f "$work/bochsrc"
  ! grep -q -e '-rc ' <("$BOCHS" --help 2>&1) || printf -v command '%s-rc %q' "$command" "$work/debugger_commands"
  : >"$SERIAL"
  TERM=xterm script --quiet --flush --command "echo \$\$ >$(printf %q "$work/pid"); exec $command" "$work/screen.txt" \
    </dev/null >/dev/null 2>&1 &
  SCRIPT_PID=$!
  # Bochs with a terminal survives SIGTERM and SIGHUP, and `script` is left stopped at times.
  trap 'kill -9 "$(cat "$work/pid")" "$SCRIPT_PID" 2>/dev/null || true' EXIT
  read_screen &
}

read_screen() {
  local screen=""
  while [[ -z $screen ]]; do
    kill -0 "$SCRIPT_PID" 2>/dev/null || return 0
    sleep 0.5
    screen=$(grep -aoE 'connected to screen "/dev/pts/[0-9]+' "$work/screen.txt" | grep -oE '/dev/.*') || true
  done
  stty -F "$screen" raw -echo
  exec cat "$screen" >/dev/null 2>&1
}

# What the machine says, without the kernel's messages, until its programs have ended: STATUS, or nothing if it stopped
# before.
show_output() {
  local line
  STATUS=""
  while IFS= read -r line; do
    line=${line%$'\r'}
    if [[ $line == 'favor-emulate: status '* ]]; then
      STATUS=${line##* }
      break
    fi
    [[ $line =~ ^\[\ *[0-9]+\.[0-9]+\]\  ]] || printf '%s\n' "$line"
  done < <(exec tail --pid="$SCRIPT_PID" -s 0.5 -n +1 -f "$SERIAL" 2>/dev/null)
}

main() {
  local started=$SECONDS
  (($#)) || fail "which program?"
  command -v "$BOCHS" >/dev/null || fail "$BOCHS is not here (./dev setup emulate installs Debian's)"
  find_kernel
  add_programs "$@"
  make_image
  write_settings
  echo "Booting an emulated $MODEL"
  start_bochs
  show_output
  [[ -n $STATUS ]] || fail "the machine stopped before its programs ended, see screen.txt and serial.txt in $work"
  grep -q '^== .* avx512f ' "$SERIAL" || fail "the kernel uses no AVX-512 on this CPU"
  # A filter that matches nothing would pass otherwise: there are no tests of AVX3 where there is no AVX-512.
  ! grep -q 'Running 0 tests' "$SERIAL" || fail "a filter matched no test"
  echo "Emulated in $((SECONDS - started)) s, exit status $STATUS"
  exit "$STATUS"
}

main "$@"
