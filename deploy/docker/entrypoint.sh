#!/bin/sh
# Starts a command with secrets in its environment. A file of /run/secrets whose name is that of a variable becomes this
# variable, with the first line of the file. Files with lower-case names stay files, which the application reads itself.
set -e
for file in /run/secrets/*; do
    name="${file##*/}"
    case "$name" in
        *[!A-Z0-9_]*) ;;
        *)
            IFS= read -r value < "$file" || [ -n "$value" ] # the last line may lack its end
            export "$name=$value"
            ;;
    esac
done
exec "$@"
