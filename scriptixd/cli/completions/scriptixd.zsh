#compdef scriptixd
# scriptixd in zsh: what can follow the cursor, with a word about it; where scriptixd has nothing to say, files.
_scriptixd() {
    local line word about tab=$'\t'
    local -a offered
    for line in "${(@f)$(_SCRIPTIXD_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS="${words[1,CURRENT]}" ${words[1]} 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        word=${line%%$tab*}
        about=${${line#"$word"}#$tab}
        offered+=("${word//:/\\:}${about:+:$about}")
    done
    [[ ${words[CURRENT]} == --*=* ]] && compset -P '*='
    if (( $#offered )); then
        _describe scriptixd offered
    else
        _files
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _scriptixd "$@"
else
    compdef _scriptixd scriptixd
fi
