#!/bin/sh
#SBATCH --job-name=cci-Echo_v1-0123
#SBATCH --chdir=/data/work/P1/task/1
#SBATCH --output=/data/work/P1/task/1/batch.log
#SBATCH --no-requeue
#SBATCH --time=27:48:40
#SBATCH --ntasks=3
#SBATCH --mem-per-cpu=1334M
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --exclude=node7,node8
#SBATCH --partition=long
#SBATCH --account=lab
#SBATCH --mail-type=FAIL
#SBATCH --mail-user=ops@example.org
#SBATCH --nice=10
#SBATCH "--constraint=a100&nvlink"
#SBATCH "--comment=the lab's \"best\""
#SBATCH --qos=high
cd /data/work/P1/task/1 || exit
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
