"""python -m favor.convert"""

from favor.convert.command import main

main()
