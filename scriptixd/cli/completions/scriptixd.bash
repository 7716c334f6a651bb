# scriptixd in bash: what can follow the cursor; where scriptixd has nothing to say, files.
_scriptixd() {
    local line word
    COMPREPLY=()
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        # A name with spaces has to be typed as one word, unless a quotation mark is open already.
        [[ ${COMP_WORDS[COMP_CWORD]} == [\'\"]* ]] || printf -v word %q "$word"
        COMPREPLY+=("$word")
    done < <(_SCRIPTIXD_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS="${COMP_LINE:0:COMP_POINT}" "$1" 2>/dev/null | sed '/^$/d')
}
complete -o default -F _scriptixd scriptixd
