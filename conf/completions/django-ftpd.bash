# bash completion of django-ftpd, made by `django-ftpd completions bash`
_django_ftpd() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=''
    # --option=value comes in three words.
    if [[ $current == = ]]; then
        current=''
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    COMPREPLY=()
    case $previous in
    --accounts-command-timeout|--active-field|--address|--audit-days|--auth-failed-timeout|--ban-failures|--ban-seconds|--banner|--data-timeout|--email|--event|--group|--implicit-tls|--journal-keep|--journal-size|--last|--login-cache-seconds|--login-timeout|--masquerade-address|--max-cons|--max-cons-per-ip|--max-login-attempts|--max-pending|--metrics-listen|--passive-ports|--password-field|--pasv-timeout|--path|--permission|--port-timeout|--read-perms|--rename|--server-download-rate|--server-upload-rate|--session-download-rate|--session-upload-rate|--since|--stop-timeout|--superuser-field|--timeout|--tls-timeout|--trusted-proxies|--umask|--until|--user|--user-table|--username-field|--write-perms)
        :
        return
        ;;
    --home|--sandbox-paths)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --accounts-command|--audit-database|--certfile|--client-ca|--config|--control|--database|--export|--journal|--keyfile|--log-file|--pidfile|--syslog-socket|--xferlog)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --journal-full)
        mapfile -t COMPREPLY < <(compgen -W 'block refuse continue' -- "$current")
        return
        ;;
    --storage)
        mapfile -t COMPREPLY < <(compgen -W 'disk s3 gcs' -- "$current")
        return
        ;;
    --log-level)
        mapfile -t COMPREPLY < <(compgen -W 'error warn info debug trace' -- "$current")
        return
        ;;
    --client-cert-login)
        mapfile -t COMPREPLY < <(compgen -W 'off cn' -- "$current")
        return
        ;;
    --tls-session-reuse)
        mapfile -t COMPREPLY < <(compgen -W 'off warn require' -- "$current")
        return
        ;;
    --journal-sync)
        mapfile -t COMPREPLY < <(compgen -W 'os always' -- "$current")
        return
        ;;
    --tls)
        mapfile -t COMPREPLY < <(compgen -W 'required optional' -- "$current")
        return
        ;;
    --log-format)
        mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$current")
        return
        ;;
    --accounts-command-user|--file-access-user)
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        return
        ;;
    esac
    case ${COMP_WORDS[1]} in
    serve)
        words='--config --database --export --all-users --no-all-users --home --read-perms --write-perms --user-table --username-field --password-field --active-field --superuser-field --accounts-command --accounts-command-timeout --accounts-command-user --timeout --login-timeout --banner --max-cons --max-cons-per-ip --max-pending --trusted-proxies --data-timeout --pasv-timeout --port-timeout --passive-ports --masquerade-address --masquerade-local --no-masquerade-local --permit-foreign-addresses --no-permit-foreign-addresses --permit-privileged-ports --no-permit-privileged-ports --connect-from-data-port --no-connect-from-data-port --sendfile --no-sendfile --server-download-rate --server-upload-rate --session-download-rate --session-upload-rate --certfile --keyfile --implicit-tls --tls --tls-control-required --no-tls-control-required --tls-data-required --no-tls-data-required --tls-session-reuse --tls-strict-eof --no-tls-strict-eof --tls-timeout --client-ca --client-cert-required --no-client-cert-required --client-cert-login --auth-failed-timeout --max-login-attempts --login-cache-seconds --ban-failures --ban-seconds --legacy-hashes --no-legacy-hashes --storage --local-times --no-local-times --umask --atomic-uploads --no-atomic-uploads --sync-uploads --no-sync-uploads --create-parents --no-create-parents --journal --journal-size --journal-keep --journal-sync --journal-full --audit-database --audit-days --xferlog --syslog --no-syslog --syslog-socket --log-level --log-format --log-file --daemonize --no-daemonize --pidfile --file-access-user --sandbox --no-sandbox --sandbox-paths --control --metrics-listen --stop-timeout -h --help -V --version'
        ;;
    check)
        words='--config --database --export --all-users --no-all-users --home --read-perms --write-perms --user-table --username-field --password-field --active-field --superuser-field --accounts-command --accounts-command-timeout --accounts-command-user --timeout --login-timeout --banner --max-cons --max-cons-per-ip --max-pending --trusted-proxies --data-timeout --pasv-timeout --port-timeout --passive-ports --masquerade-address --masquerade-local --no-masquerade-local --permit-foreign-addresses --no-permit-foreign-addresses --permit-privileged-ports --no-permit-privileged-ports --connect-from-data-port --no-connect-from-data-port --sendfile --no-sendfile --server-download-rate --server-upload-rate --session-download-rate --session-upload-rate --certfile --keyfile --implicit-tls --tls --tls-control-required --no-tls-control-required --tls-data-required --no-tls-data-required --tls-session-reuse --tls-strict-eof --no-tls-strict-eof --tls-timeout --client-ca --client-cert-required --no-client-cert-required --client-cert-login --auth-failed-timeout --max-login-attempts --login-cache-seconds --ban-failures --ban-seconds --legacy-hashes --no-legacy-hashes --storage --local-times --no-local-times --umask --atomic-uploads --no-atomic-uploads --sync-uploads --no-sync-uploads --create-parents --no-create-parents --journal --journal-size --journal-keep --journal-sync --journal-full --audit-database --audit-days --xferlog --syslog --no-syslog --syslog-socket --log-level --log-format --log-file --daemonize --no-daemonize --pidfile --file-access-user --sandbox --no-sandbox --sandbox-paths --control --metrics-listen --stop-timeout --json --strict -h --help -V --version'
        ;;
    demo)
        words='--config --database --export --all-users --no-all-users --home --read-perms --write-perms --user-table --username-field --password-field --active-field --superuser-field --accounts-command --accounts-command-timeout --accounts-command-user --timeout --login-timeout --banner --max-cons --max-cons-per-ip --max-pending --trusted-proxies --data-timeout --pasv-timeout --port-timeout --passive-ports --masquerade-address --masquerade-local --no-masquerade-local --permit-foreign-addresses --no-permit-foreign-addresses --permit-privileged-ports --no-permit-privileged-ports --connect-from-data-port --no-connect-from-data-port --sendfile --no-sendfile --server-download-rate --server-upload-rate --session-download-rate --session-upload-rate --certfile --keyfile --implicit-tls --tls --tls-control-required --no-tls-control-required --tls-data-required --no-tls-data-required --tls-session-reuse --tls-strict-eof --no-tls-strict-eof --tls-timeout --client-ca --client-cert-required --no-client-cert-required --client-cert-login --auth-failed-timeout --max-login-attempts --login-cache-seconds --ban-failures --ban-seconds --legacy-hashes --no-legacy-hashes --storage --local-times --no-local-times --umask --atomic-uploads --no-atomic-uploads --sync-uploads --no-sync-uploads --create-parents --no-create-parents --journal --journal-size --journal-keep --journal-sync --journal-full --audit-database --audit-days --xferlog --syslog --no-syslog --syslog-socket --log-level --log-format --log-file --daemonize --no-daemonize --pidfile --file-access-user --sandbox --no-sandbox --sandbox-paths --control --metrics-listen --stop-timeout -h --help -V --version'
        ;;
    events)
        words='--journal --user --event --path --address --since --until --last --follow --json -h --help'
        ;;
    completions)
        words='bash zsh fish'
        ;;
    who)
        words='--control --watch --json -h --help'
        ;;
    kick)
        words='--control -h --help'
        ;;
    ban)
        words='--control -h --help'
        ;;
    unban)
        words='--control -h --help'
        ;;
    reload)
        words='--control -h --help'
        ;;
    drain)
        words='--control -h --help'
        ;;
    stop)
        words='--control -h --help'
        ;;
    metrics)
        words='--control -h --help'
        ;;
    user)
        case ${COMP_WORDS[2]} in
        create)
            words='--superuser --email --password-stdin --no-password --database --config -h --help'
            ;;
        list)
            words='--json --database --config -h --help'
            ;;
        password)
            words='--password-stdin --no-password --database --config -h --help'
            ;;
        change)
            words='--active --inactive --superuser --no-superuser --rename --database --config -h --help'
            ;;
        delete)
            words='--database --config -h --help'
            ;;
        esac
        if ((COMP_CWORD == 2)); then
            words='create list password change delete'
        fi
        ;;
    group)
        case ${COMP_WORDS[2]} in
        create)
            words='--permission --database --config -h --help'
            ;;
        list)
            words='--json --database --config -h --help'
            ;;
        change)
            words='--permission --home --no-home --rename --database --config -h --help'
            ;;
        delete)
            words='--database --config -h --help'
            ;;
        esac
        if ((COMP_CWORD == 2)); then
            words='create list change delete'
        fi
        ;;
    account)
        case ${COMP_WORDS[2]} in
        create)
            words='--database --config -h --help'
            ;;
        list)
            words='--json --database --config -h --help'
            ;;
        change)
            words='--group --home --no-home --database --config -h --help'
            ;;
        delete)
            words='--database --config -h --help'
            ;;
        esac
        if ((COMP_CWORD == 2)); then
            words='create list change delete'
        fi
        ;;
    esac
    if ((COMP_CWORD == 1)); then
        words='serve check demo events completions who kick ban unban reload drain stop metrics user group account'
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _django_ftpd django-ftpd
