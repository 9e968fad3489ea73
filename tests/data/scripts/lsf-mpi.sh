#!/bin/sh
#BSUB -J cci-Echo_v1-0123
#BSUB -cwd /data/work/P1/task/1
#BSUB -o /data/work/P1/task/1/batch.log
#BSUB -rn
#BSUB -W 1669
#BSUB -n 12
#BSUB -R 'span[ptile=4]'
#BSUB -M 16000MB
#BSUB -R 'rusage[mem=16000MB]'
#BSUB -gpu num=1
#BSUB -R 'select[hname!=node7 && hname!=node8 && hname!=node8.example.org]'
#BSUB -q long
#BSUB -P lab
#BSUB -u ops@example.org
#BSUB -Ne
#BSUB -R 'select[type=="any" && mem>4000]'
#BSUB -app cuda
cd /data/work/P1/task/1 || exit
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
