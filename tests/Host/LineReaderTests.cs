using System.Text;
using PdEngine.Host;

namespace PdEngine.Tests;

public sealed class LineReaderTests
{
    [Test]
    public async Task Lines_are_the_same_however_the_stream_is_cut([Range(1, 20)] int seed)
    {
        Random random = new(seed);
        string text =
            string.Concat(Enumerable.Range(0, random.Next(200)).Select(_ => "ab\r\n\né"[random.Next(6)]));
        List<string> expected = [.. text.Split('\n').Select(line => line.EndsWith('\r') ? line[..^1] : line)];
        if (text.Length == 0 || text.EndsWith('\n'))
            expected.RemoveAt(expected.Count - 1);
        using Dribble source = new(Encoding.UTF8.GetBytes(text), random);
        LineReader reader = new(source, maxLineBytes: 1000);
        List<string> lines = [];
        while (await reader.NextAsync(CancellationToken.None) is { } line)
            lines.Add(Encoding.UTF8.GetString(line.Bytes.Span));
        Assert.That(lines, Is.EqualTo(expected), $"seed {seed}");
        Assert.That(reader.TakenBytes, Is.EqualTo(Encoding.UTF8.GetByteCount(text)));
    }

    [Test]
    public async Task A_line_over_the_bound_is_read_over_and_the_next_one_is_whole()
    {
        string text = $"{new string('x', 300_000)}\n{new string('y', 1000)}\nz";
        using MemoryStream source = new(Encoding.UTF8.GetBytes(text));
        LineReader reader = new(source, maxLineBytes: 1000);
        LineReader.Line[] lines = [await Next(), await Next(), await Next()];
        Assert.That(lines.Select(line => line.IsTooLong), Is.EqualTo(new[] { true, false, false }));
        Assert.That(lines.Select(line => line.Bytes.Length), Is.EqualTo(new[] { 0, 1000, 1 }));

        async Task<LineReader.Line> Next() => (await reader.NextAsync(CancellationToken.None))!.Value;
    }

    /// <summary>Gives a few bytes at a time, as a pipe may.</summary>
    private sealed class Dribble(byte[] bytes, Random random) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(
            Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, random.Next(1, 5))], cancellationToken);
    }
}
