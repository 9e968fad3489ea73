#!/bin/sh
# job cci-Echo_v1-0123
cd /data/work/P1/task/1 || exit
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
