#!/bin/sh
#$ -N cci-Echo_v1-0123
#$ -S /bin/sh
#$ -wd /data/work/P1/task/1
#$ -o /data/work/P1/task/1/batch.log
#$ -j y
#$ -r n
#$ -notify
#$ -l h_rt=100120
#$ -l h_vmem=1334M
#$ -pe mpi 12
#$ -l gpu=1
#$ -l 'h=!(node7|node7.*|node8|node8.*)'
#$ -q long
#$ -A lab
#$ -m a
#$ -M ops@example.org
#$ -p -10
#$ -l arch=lx-amd64
#$ -l mem_total=16G
#$ -P neuro
cd /data/work/P1/task/1 || exit
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
