#!/bin/sh
#BSUB -J cci-Echo_v1-0123
#BSUB -cwd /
#BSUB -o /dev/null
#BSUB -rn
#BSUB -W 1669
#BSUB -n 4
#BSUB -R 'span[hosts=1]'
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
cd '/data/it'"'"'s; $(touch hit) `x` %j #$ -N other #SBATCH -J other' || exit
exec >>'/data/it'"'"'s; $(touch hit) `x` %j #$ -N other #SBATCH -J other/batch.log' 2>&1
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
