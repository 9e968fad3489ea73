#!/bin/sh
#PBS -N cci-Echo_v1-0123
#PBS -S /bin/sh
#PBS -d /
#PBS -o /dev/null
#PBS -j oe
#PBS -r n
#PBS -l walltime=27:48:40
#PBS -l nodes=1:ppn=4:gpus=1
#PBS -l mem=16000mb
#PBS -q long
#PBS -A lab
#PBS -m a
#PBS -M ops@example.org
#PBS -p -10
#PBS -W group_list=imaging
cd '/data/it'"'"'s; $(touch hit) `x` %j #$ -N other #SBATCH -J other' || exit
exec >>'/data/it'"'"'s; $(touch hit) `x` %j #$ -N other #SBATCH -J other/batch.log' 2>&1
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
