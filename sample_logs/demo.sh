# `make demo`: runs config.toml over the sample logs and shows what came out.
#
# state/ remembers how far each file was read, so a second run has nothing to do. To show something every time, the demo
# begins by removing state/ and out/, but only while they are to the byte what the last demo left there.
set -eu
cd "$(dirname "$0")/.."
tailrace=${VENV:-.venv}/bin/tailrace
stamp=build/demo.stamp

# The lock and SQLite's -shm tell nothing about what was read.
sums() { find state out -type f ! -name lock ! -name '*-shm' -exec cksum {} + 2>/dev/null | sort; }
running() { kill -0 "$(cat state/lock 2>/dev/null)" 2>/dev/null; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

if [ -e state ] || [ -e out ]; then
    if [ -e "$stamp" ] && [ "$(sums)" = "$(cat "$stamp")" ] && ! running; then
        rm -rf state out
    else
        say "state/ and out/ are not from a demo: this run goes on from there and reads only what is new."
        echo "To see the samples read again, remove both: rm -r state out"
    fi
fi

# The times in syslog.log tell no year: it is that of the file's last write, which a checkout has set to today.
touch -t 202603141001 sample_logs/*.log

say "tailrace run --until-eof config.toml"
"$tailrace" run --until-eof config.toml
mkdir -p "${stamp%/*}"

for file in $(find out -type f | sort); do
    say "$file: $(wc -l <"$file") events, the first two:"
    head -n 2 "$file"
done

say "Lines that are no events are kept, with the reason: tailrace dlq stats"
"$tailrace" dlq stats
say "tailrace dlq list"
"$tailrace" dlq list --limit 12
sums >"$stamp"

say "state/ remembers what was read: \`tailrace run --until-eof\` would now find nothing new. Next, edit config.toml."
