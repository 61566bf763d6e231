# shellcheck shell=bash
# To be sourced. Finds a container engine that works here: docker with a daemon, podman, or buildah.

# Sets ENGINE, or returns 1.
find_engine() {
  local name
  for name in docker podman buildah; do
    if command -v "$name" >/dev/null && "$name" info >/dev/null 2>&1; then
      ENGINE=$name
      return 0
    fi
  done
  return 1
}

# The full name of a short one such as debian:bookworm-slim, as podman and buildah themselves resolve it.
full_name() {
  local name=${1%%:*} full
  full=$(sed -n "s|^ *\"$name\" *= *\"\(.*\)\"|\1|p" /etc/containers/registries.conf.d/shortnames.conf 2>/dev/null | head -n 1)
  printf '%s:%s' "${full:-$name}" "${1##*:}"
}

# The base image, from where it is published, else made from Debian's packages with mmdebstrap.
provide_base() {
  local base=$1 folder
  [[ $ENGINE != docker ]] || return 0  # docker build pulls it
  if "$ENGINE" inspect --type image "$base" >/dev/null 2>&1 || "$ENGINE" pull "$(full_name "$base")" >/dev/null 2>&1; then
    return 0
  fi
  if ! command -v mmdebstrap >/dev/null; then
    echo "$base can neither be pulled nor be made: mmdebstrap is not here (./dev setup image)"
    return 1
  fi
  echo "$base cannot be pulled; making it from Debian's packages"
  folder=$(mktemp -d)
  # Like the published one: no documentation, no translations, and no Perl, which only usrmerge asks for.
  # shellcheck disable=SC2016
  mmdebstrap --quiet --variant=minbase --include=usr-is-merged \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='chroot "$1" apt-get -qq -y purge usrmerge perl-modules-5.36 libperl5.36 >/dev/null' \
    --customize-hook='rm -rf "$1"/var/cache/apt "$1"/var/lib/apt/lists' bookworm "$folder/base.tar"
  printf 'FROM scratch\nADD base.tar /\n' >"$folder/Dockerfile"
  build_image "$folder" --tag "$(full_name "$base")"
  rm -rf "$folder"
}

# build_image <folder> [arguments...]. Without a daemon, chroot isolation works inside containers and without privileges,
# and HEALTHCHECK exists only in the docker format.
build_image() {
  local folder=$1
  shift
  case $ENGINE in
    docker) docker build "$@" "$folder" ;;
    podman) podman build --format docker --isolation chroot --pull=never "$@" "$folder" ;;
    buildah) buildah bud --format docker --isolation chroot --pull-never "$@" "$folder" ;;
  esac
}

# run_in_image <image> <program> [arguments...]: prints what the program prints in a container of the image, without network.
run_in_image() {
  local image=$1 program=$2 container status=0
  shift 2
  case $ENGINE in
    docker) docker run --rm --network none --entrypoint "$program" "$image" "$@" ;;
    podman | buildah)
      # Their `run` needs cgroups and namespaces of its own; a build step in chroot works wherever the build did.
      if command -v buildah >/dev/null; then
        container=$(buildah from --pull-never "$image") || return
        buildah run --isolation chroot "$container" -- "$program" "$@" || status=$?
        buildah rm "$container" >/dev/null
        return "$status"
      fi
      podman run --rm --network none --entrypoint "$program" "$image" "$@"
      ;;
  esac
}
