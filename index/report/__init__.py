"""A page about a library: what it sounds like on the whole, and its moments to listen to, in one HTML file.

    gather    everything that the page says, asked of the store once: `gather.Report`
    moments   the furthest moments in each direction of the plane, each of another clip
    groups    the affect of clips by the values of their metadata
    matches   which prompts the library answers best, and which it does not
    sound     moments cut out of their recordings as MP3, within a bound on the page's size
    plane     the map as SVG: points, or density where there are many
    charts    histograms and small strips as SVG
    page      all of it as HTML, escaped; it asks for nothing outside itself

Prompts, names and metadata come from strangers: whatever of them reaches the page is text, never markup.
"""
