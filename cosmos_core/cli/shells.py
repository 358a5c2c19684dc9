"""What a shell has to run so that Tab asks us, in each shell's own words.

Ours instead of click's, which lose file names behind `--video=` and `SLOT=`, break words at commas, and cannot show
what an id is in bash. Each tells the line up to the cursor in COMP_LINE and reads a candidate a line.
"""

from __future__ import annotations

SEPARATOR = "\x1f"
"""Between the kind of a candidate, what of the word stands before a file name, the candidate, and what it is."""

# bash breaks words at = and :, and wants back what follows the last of these.
BASH = """\
%(complete_func)s() {
    local line type cut value
    while IFS=',' read -r type cut value; do
        [[ -n $type ]] || continue
        if [[ $type == file || $type == dir ]]; then
            compopt -o filenames
            while IFS= read -r line; do COMPREPLY+=("${line:cut}"); done < <(compgen -"${type:0:1}" -- "$value")
        else
            [[ $type == open ]] && compopt -o nospace
            COMPREPLY+=("$value")
        fi
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_TYPE=$COMP_TYPE COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

# zsh quotes and matches what it is given, and takes a file's name apart itself once it knows where that begins.
ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local type before value note
    local -a closed open
    while IFS=$'\\x1f' read -r type before value note; do
        value="${${value//\\\\/\\\\\\\\}//:/\\\\:}${note:+:$note}"
        [[ -n $before ]] && compset -P "${(b)before}"
        case $type in
            plain) closed+=("$value") ;;
            open) open+=("$value") ;;
            file) _path_files ;;
            dir) _path_files -/ ;;
        esac
    done < <(COMP_LINE="${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX" \\
        %(complete_var)s=zsh_complete ${~words[1]} 2>/dev/null)
    (( $#closed )) && _describe -V candidate closed
    (( $#open )) && _describe -V candidate open -S ''
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef %(complete_func)s %(prog_name)s
fi
"""

# fish quotes, matches, and leaves a word open that ends with = or / by itself.
FISH = """\
function %(complete_func)s
    set -l words (commandline -opc)
    set -lx COMP_LINE (commandline -cp | string collect)
    for line in (env %(complete_var)s=fish_complete $words[1] 2>/dev/null)
        set -l told (string split -m 3 \\x1f -- $line)
        switch $told[1]
            case file
                printf '%%s\\n' $told[2](__fish_complete_path $told[3])
            case dir
                printf '%%s\\n' $told[2](__fish_complete_directories $told[3])
            case '*'
                printf '%%s%%s\\t%%s\\n' $told[2..4]
        end
    end
end

complete --keep-order --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
