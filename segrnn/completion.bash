# Completes segrnn's commands and their settings in bash: eval "$(segrnn --completion)". Hydra knows the settings.
_segrnn() {
    local line=${COMP_LINE:0:COMP_POINT} command=2 words choices names
    names='s/^ \+\([a-z_]\+\)  .*/\1/p; s/^NAME is one of: \(.*\)\. .*/\1/p'
    read -ra words <<< "$line"
    [[ $line == *" " ]] && words+=("")
    [[ ${words[1]} == prepare || ${words[1]} == benchmark ]] && command=3
    if ((${#words[@]} <= command)); then
        choices=$(segrnn "${words[@]:1:${#words[@]}-2}" --help 2> /dev/null | sed -n "$names" | tr -d ,)
    else
        line="${words[*]:command-1}"
        choices=$(COMP_LINE=$line COMP_POINT=${#line} segrnn "${words[@]:1:command-1}" -sc query=bash 2> /dev/null)
    fi
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "${words[-1]}")
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}
complete -o nospace -o default -F _segrnn segrnn
