#!/bin/sh
# What a container does: makes a node directory in $LAFS_DATA where there is none, and runs it.
#
#   LAFS_NICKNAME   what the node is called (default: the name of the host)
#   LAFS_HOSTNAME   where other nodes reach its storage, port 3457 (default: localhost)
#   LAFS_STORAGE    "no": a client alone
#   LAFS_SHARES     needed,happy,total, such as 3,7,10 (default: upstream's, which are these)
set -eu
data=${LAFS_DATA:-/data}

if [ ! -e "$data/tahoe.cfg" ]; then
  shares=${LAFS_SHARES:-3,7,10}
  needed=${shares%%,*}
  total=${shares##*,}
  happy=${shares#*,}
  happy=${happy%%,*}
  set -- --nickname "${LAFS_NICKNAME:-$(uname -n)}" \
    --shares-needed "$needed" --shares-happy "$happy" --shares-total "$total" \
    --webport "tcp:${LAFS_WEB_PORT:-3456}:interface=0.0.0.0"
  if [ "${LAFS_STORAGE:-yes}" = no ]; then
    lafs create-client "$@" "$data"
  else
    port=${LAFS_STORAGE_PORT:-3457}
    lafs create-node "$@" --port "tcp:$port" \
      --location "tcp:${LAFS_HOSTNAME:-localhost}:$port" "$data"
  fi
fi
exec lafs -d "$data" run --allow-stdin-close
