# What a host has of all that jobs need there, in one go. What is tried out is taken back at once.
# Every answer begins with a word that cannot be guessed; nothing else is taken for one.

mark=$1 work_dir=$2 lock_dir=$3 patience=$4 docker=$5 store=$6 hf_home=$7
shift 7 # program:NAME, path:PATH, version:FILE, image:NAME

limit="timeout $patience"
command -v timeout > /dev/null || limit=
[ -z "$docker" ] || eval "docker() { \$limit $docker \"\$@\"; }"

say() { printf '%s %s\n' "$mark" "$*"; }
told() { # ANSWER COMMAND...: what a program answers, then its exit code, and what it complained of
    say "$1"
    shift
    { complaints=$("$@" < /dev/null 2>&1 >&3); } 3>&1
    code=$?
    say "code $code"
    printf '%s\n' "$complaints"
    return "$code"
}
present() { # the nearest folder above that is there
    case $1 in /*) ;; *) set -- "$PWD/$1" ;; esac # or it would never get shorter
    set -- "${1%/}"
    while [ -n "$1" ] && [ ! -d "$1" ]; do set -- "${1%/*}"; done
    echo "${1:-/}"
}
space() { df -Pk "$(present "$1")" 2> /dev/null | sed -n '2,$p' | tr -s ' \n' '  ' | cut -d ' ' -f 4; } # kB
about() { stat -c '%a %U' "$1" 2> /dev/null || stat -f '%Lp %Su' "$1" 2> /dev/null; }

# Makes a folder, tries in it what jobs do, and leaves things as they were. The last line says how it went.
try_folder() { # FOLDER MODE lock?
    above=$(present "$1")
    trial=$1/.check.$$
    # cat says why where it cannot write; some shells only say that it is an I/O error
    if mkdir -p "$1" && { [ "$above" = "${1%/}" ] || chmod "$2" "$1"; } && echo "a line" | cat > "$trial"; then
        way=written
        if [ -n "$3" ]; then
            ! (flock -n 9) 9< "$trial" || way=locked
        elif ln "$trial" "$trial.2"; then
            way=linked
        fi
    else
        way=refused
    fi 2>&1
    rm -f "$trial" "$trial.2" 2> /dev/null
    made=${1%/}
    while [ "$made" != "$above" ] && rmdir "$made"; do made=${made%/*}; done 2> /dev/null
    echo "$way"
}

look_at_path() {
    seen=absent
    [ ! -e "$1" ] || seen=unreadable
    if [ -d "$1" ]; then
        ! { [ -r "$1" ] && [ -x "$1" ]; } || seen=folder
    elif [ -r "$1" ]; then
        seen='file'
    fi
    say "path $seen $1"
}

kills_users() { # what logind is told, and whether this user may linger
    loginctl show-session --property=KillUserProcesses 2> /dev/null | grep . ||
        cat /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf 2> /dev/null | sed -n 's/^ *\(KillUserProcesses=.*\)/\1/p' | tail -n 1
    [ ! -e "/var/lib/systemd/linger/$(id -un)" ] || echo lingers
}

leftovers() { # jobs of this store that ended: how many, and their kB
    set --
    for folder in "$work_dir"/jobs/*/; do
        [ -f "$folder/exit_code" ] && grep -qsF "\"$store\"" "$folder/job.json" && set -- "$@" "$folder"
    done
    echo $# "$([ $# = 0 ] || $limit du -sk "$@" 2> /dev/null | { sum=0; while read -r kb _; do sum=$((sum + kb)); done; echo $sum; })"
}

say "host $(date +%s) $(uname -n)"
say "system $(uname -sr), $(sed -n 's/^PRETTY_NAME="*\([^"]*\)"*$/\1/p' /etc/os-release 2> /dev/null)"
say "user $(id -un) $HOME"

say "work_dir $(present "$work_dir")"
about "$work_dir"
say "space $(space "$work_dir")"
say "tried"
(umask 077 && try_folder "$work_dir" 0700)

if [ -n "$lock_dir" ]; then
    say "lock_dir $(present "$lock_dir")"
    about "$lock_dir"
    say "tried_lock"
    (umask 022 && try_folder "$lock_dir" 1777 lock)
fi

for word; do
    what=${word%%:*} name=${word#*:}
    case $what in
    program) say "program $name $(command -v "$name")" ;;
    path) look_at_path "$name" ;;
    version)
        say "version $name"
        [ ! -r "$name" ] || head -c 65536 "$name"
        ;;
    esac
done

[ -n "$hf_home" ] || hf_home=${HF_HOME:-$HOME/.cache/huggingface}
token=none
[ ! -s "$hf_home/token" ] || token='file'
[ -z "$HF_TOKEN" ] || token=environment
say "hf $token $(space "$hf_home") $hf_home"
# shellcheck disable=SC2010  # names of Hugging Face's own cache
[ ! -d "$hf_home/hub" ] || ls "$hf_home/hub" | grep -c '^models--'

ask_docker() {
    told product docker --version || return # podman answers to the name, too, and has no server
    told docker docker version --format '{{.Client.Version}} {{with .Server}}{{.Version}}{{end}}' || return
    # shellcheck disable=SC2016  # the template is Docker's
    told runtimes docker info --format '{{range $name, $_ := .Runtimes}}{{$name}} {{end}}'
    say "hook $(command -v nvidia-container-runtime-hook) $(ls /etc/cdi/nvidia* /var/run/cdi/nvidia* 2> /dev/null | head -n 1)"
    told containers docker ps --all --filter "label=cosmos.store=$store" --format '{{.Names}}'
    for word; do
        [ "${word%%:*}" != image ] ||
            told "image ${word#*:}" docker image inspect --format '{{.Id}} {{.Size}} {{.Created}} {{.Config.User}}' "${word#*:}"
    done
}
[ -z "$docker" ] || ask_docker "$@"

say logind
kills_users
say leftovers
leftovers
say end
