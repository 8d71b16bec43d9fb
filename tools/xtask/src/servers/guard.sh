# Ends a server and removes its directory, whatever happens to the program that started it.
#   $1 the signal that ends the server    $2 the directory
# Standard input says in each line which process group runs now, or by an empty line that none does. Its end means
# that the program stopped, failed or was killed: even after SIGKILL the system closes the pipe.
server=
while read -r line; do server=$line; done
if [ -n "$server" ]; then
    kill -s "$1" -- "-$server"
    tries=0
    while kill -s 0 -- "-$server" && [ "$tries" -lt 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    if kill -s 0 -- "-$server"; then kill -s KILL -- "-$server"; fi
fi
rm -rf -- "$2"
