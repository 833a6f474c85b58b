# shellcheck shell=bash
# Shared by scripts/saltus and scripts/test: packages, configuration and build of the release preset in build/release.
# Everything here talks to stderr: stdout belongs to the program.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd -P)
build=$root/build/release
mkdir -p "$build"

say() { printf 'saltus: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# fail_with_log <what> <log>: the end of the log, and where the rest is.
fail_with_log() {
  tail -n 40 "$2" >&2
  die "$1; the whole log is $2"
}

# One set-up at a time: two runs started together would build into each other.
lock_build() {
  exec 9>"$root/build/lock"
  command -v flock >/dev/null || return 0
  flock -n 9 || { say "waiting for another build"; flock 9; }
}
unlock_build() { exec 9>&-; }

# may_install: sets `as_root` to what runs apt-get as root, after asking a person at a terminal; false if nothing does.
may_install() {
  as_root=()
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null || return 1
  if [ -n "${CI:-}" ] || ! [ -t 0 ] || ! [ -t 2 ]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null
    return
  fi
  as_root=(sudo)
  local answer
  read -r -p "saltus: install them now with sudo apt-get? [Y/n] " answer
  [[ ${answer:-y} == [yY]* ]]
}

# need_packages <list>: installs what scripts/lib/packages-<list>.txt names. Looks again only when the list changes or a build fails.
need_packages() {
  local list=$root/scripts/lib/packages-$1.txt stamp=$root/build/packages-$1.stamp log=$root/build/packages.log
  [ "$stamp" -nt "$list" ] && return
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "this is not a Debian system: if the build misses something, $list names what it needs"
    touch "$stamp"
    return
  fi
  local package purpose missing=() as_root=()
  while read -r package purpose; do
    [[ -z $package || $package == \#* ]] && continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
    [ ${#missing[@]} -gt 0 ] || say "these Debian packages are missing:"
    printf '  %-20s %s\n' "$package" "$purpose" >&2
    missing+=("$package")
  done <"$list"
  if [ ${#missing[@]} -gt 0 ]; then
    may_install || die "cannot install them without root; please run: apt-get install ${missing[*]}"
    say "installing ${#missing[@]} packages"
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300)
    { "${install[@]}" update && "${install[@]}" install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null 9>&- ||
      fail_with_log "installing packages failed" "$log"
  fi
  touch "$stamp"
}

cached() { grep -qsxF -- "$1" "$build/CMakeCache.txt"; }

# configure <ON|OFF|any>: whether the tests belong to the build. They only add targets: switching rebuilds nothing of the program.
configure() {
  local fresh=()
  cached "CMAKE_HOME_DIRECTORY:INTERNAL=$root" || fresh=(--fresh)
  if [ -f "$build/build.ninja" ] && [ ${#fresh[@]} -eq 0 ]; then
    [ "$1" = any ] || cached "SALTUS_TESTS:BOOL=$1" && return
  fi
  local tests=$1 log=$root/build/configure.log
  [ "$tests" = any ] && tests=OFF
  # --preset looks for its file in the working folder.
  (cd "$root" && cmake --preset release "${fresh[@]}" -DSALTUS_TESTS="$tests") >"$log" 2>&1 || {
    rm -f "$root"/build/packages-*.stamp
    fail_with_log "configuring the build failed" "$log"
  }
}

# Ninja's lines become one line that counts up on a terminal, and a line now and then elsewhere.
show_progress() {
  local line next=15 drawn=
  SECONDS=0
  while IFS= read -r line; do
    [[ $line =~ ^\[([1-9][0-9]*)/([0-9]+)\] ]] || continue
    if [ -t 2 ]; then
      printf '\r\033[Ksaltus: building %s/%s' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" >&2
      drawn=yes
    elif [ "$SECONDS" -ge "$next" ]; then
      say "building ${BASH_REMATCH[1]}/${BASH_REMATCH[2]}"
      next=$((SECONDS + 15))
    fi
  done
  [ -z "$drawn" ] || printf '\r\033[K' >&2
}

# build_targets <target...>
build_targets() {
  local log=$root/build/build.log
  if ! NINJA_STATUS='[%f/%t] ' ninja -C "$build" -j "$(nproc)" "$@" 2>&1 9>&- | tee "$log" | show_progress; then
    rm -f "$root"/build/packages-*.stamp
    fail_with_log "the build failed" "$log"
  fi
}
