# scriptixd in fish: what can follow the cursor, with a word about it; where scriptixd has nothing to say, files.
function __scriptixd_offered
    set -l words (commandline -opc)
    set -l offered (env _SCRIPTIXD_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS=(commandline -cp | string collect) $words[1] 2>/dev/null | string match -v '')
    if set -q offered[1]
        printf '%s\n' $offered
    else
        __fish_complete_path (commandline -ct)
    end
end
complete --command scriptixd --no-files --arguments '(__scriptixd_offered)'
