#!/bin/sh
#PBS -N cci-Echo_v1-0123
#PBS -S /bin/sh
#PBS -o /data/work/P1/task/1/batch.log
#PBS -j oe
#PBS -r n
#PBS -l walltime=27:48:40
#PBS -l select=3:ncpus=4:mpiprocs=1:mem=5334mb:ngpus=1
#PBS -q long
#PBS -A lab
#PBS -m a
#PBS -M ops@example.org
#PBS -p -10
#PBS -W group_list=imaging
#PBS -l place=excl
cd /data/work/P1/task/1 || exit
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
