"""The Milvus store: a library in a Milvus server, for what one machine cannot hold. Needs the extra `milvus`.

    milvus://HOST:PORT/NAME       two collections there: NAME_clips and NAME_segments

**Two collections.** Milvus has no transactions and no joins. A search has to see a clip's metadata, so each
segment's row carries what filters look at; whether a row counts is said in one place only, the clip's own row.
In one collection with both kinds of rows every search would have to filter the clips' rows out, and every count
and page of clips to read past the segments.

**The commit mark.** Every write of a clip's segments is an *edition*, named in each of its rows; the clip's row,
written last and in one piece, names the edition that holds. Rows of any other edition are invisible: a search
that meets one looks again without it. So a clip is added, changed or deleted whole or not at all:

    add      rows of a new edition, then the clip's row
    update   rows of a new edition, then the clip's row with its name, then the old rows go
    delete   the clip's row, then its rows

What a killed process leaves behind is an edition that no clip's row names; `compact` removes it, after an hour in
which it might still have been on its way. Nobody ever removes rows but of an edition that its own write ended, so
two processes that change one clip at the same moment cannot damage it: the last one wins.

Everything is read at the consistency level Strong: what was done is seen by the next search, from any process.
"""
