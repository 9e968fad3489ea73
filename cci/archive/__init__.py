"""The embedded XNAT-compatible server. It is a server only: it never imports the client in ``cci.xnat``.

Start it as a process of its own::

    python -m cci.archive serve --root DIR --port 8104

It makes DIR if it does not exist, prints ``archive ready at http://127.0.0.1:8104`` when it answers
(``--port 0`` takes a free port), and stops on SIGTERM. The administrator is ``admin``; the first start
leaves the password in ``DIR/admin.password``. Everything is in that one process and below DIR; it may be
killed at any moment.
"""
