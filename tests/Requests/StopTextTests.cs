namespace PdEngine.Tests;

public sealed class StopTextTests
{
    [TestCase("hello END more", "END", "hello ")]
    [TestCase("a ENDING", "END", "a ")]
    [TestCase("no stop here", "END", "no stop here")]
    [TestCase("ENEND", "END", "EN")]
    [TestCase("xaab", "aab", "x")]
    [TestCase("aaaab", "aab", "aa")]
    public void Text_ends_before_the_stop_however_it_is_cut(string text, string stop, string expected)
    {
        for (int cut = 1; cut <= text.Length; cut++)
        {
            StopText built = new([stop], keepStop: false);
            string shown = "";
            for (int i = 0; i < text.Length; i += cut)
            {
                bool ended = built.Append(text[i..Math.Min(text.Length, i + cut)]) is not null;
                shown += built.Settled(shown.Length);
                Assert.That(expected, Does.StartWith(shown), $"cut {cut}: text that is taken back was shown");
                if (ended)
                    break;
            }
            if (built.SettledLength < expected.Length)
                built.Settle();
            Assert.That(built.Settled(0), Is.EqualTo(expected), $"cut {cut}");
        }
    }

    [Test]
    public void The_earliest_of_several_stops_wins()
    {
        StopText text = new(["world", "lo"], keepStop: false);
        Assert.That(text.Append("hello world"), Is.EqualTo("lo"));
        Assert.That(text.Settled(0), Is.EqualTo("hel"));
    }

    [Test]
    public void A_kept_stop_stays_in_the_text()
    {
        StopText text = new(["END"], keepStop: true);
        Assert.That(text.Append("so END and on"), Is.EqualTo("END"));
        Assert.That(text.Settled(0), Is.EqualTo("so END"));
    }

    [Test]
    public void Any_split_of_random_text_settles_as_a_search_of_the_whole_would([Range(1, 200)] int seed)
    {
        Random random = new(seed);
        string[] stops =
            [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Letters(random, random.Next(1, 5)))];
        string whole = Letters(random, random.Next(1, 40));
        (int Start, int End)? first = FirstToComplete(whole, stops);
        StopText text = new(stops, keepStop: false);
        bool ended = false;
        for (int i = 0; i < whole.Length && !ended; i++)
            ended = text.Append(whole[i..(i + 1)]) is not null;
        if (!ended)
            text.Settle();
        string wanted = first is { } hit ? whole[..hit.Start] : whole;
        Assert.That(text.Settled(0), Is.EqualTo(wanted), $"seed {seed}");
    }

    /// <summary>
    /// Character by character, the stop that is complete first wins; of those, the one that starts first.
    /// </summary>
    private static (int Start, int End)? FirstToComplete(string whole, string[] stops)
    {
        for (int end = 1; end <= whole.Length; end++)
        {
            int start = stops.Where(stop => whole[..end].EndsWith(stop, StringComparison.Ordinal))
                .Select(stop => end - stop.Length).DefaultIfEmpty(-1).Min();
            if (start >= 0)
                return (start, end);
        }
        return null;
    }

    private static string Letters(Random random, int count) =>
        string.Concat(Enumerable.Range(0, count).Select(_ => (char)('a' + random.Next(3))));
}
