using System.Buffers;
using System.Buffers.Text;

namespace PdEngine.Bench;

/// <summary>
/// Counts the events of a chunked answer, and keeps the last ones to read how many tokens they came to.
/// </summary>
internal sealed class DrainedEvents
{
    private const int KeptBytes = 1 << 15;
    private static readonly SearchValues<byte> HexDigits = SearchValues.Create("0123456789abcdefABCDEF"u8);
    private static ReadOnlySpan<byte> EventStart => "data: "u8;

    private readonly byte[] _tail = new byte[2 * KeptBytes];
    private int _tailLength;
    private long _byteCount;
    private int _eventCount;
    private int _matchedBytes;

    /// <summary>The chunk of no bytes has come.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>What came, with the tokens that the last event with a count says.</summary>
    /// <exception cref="BenchException">None does.</exception>
    public HttpArmRun Result => new(Tokens, _eventCount, _byteCount);

    private int Tokens
    {
        get
        {
            // The count may lie across two chunks: their frames are taken out first.
            ReadOnlySpan<byte> tail = WithoutFrames(_tail.AsSpan(0, _tailLength));
            ReadOnlySpan<byte> name = "\"completion_tokens\":"u8;
            int at = tail.LastIndexOf(name);
            return at >= 0 && Utf8Parser.TryParse(tail[(at + name.Length)..], out int tokens, out _)
                ? tokens
                : throw new BenchException(
                    $"the answer says no count of tokens: {System.Text.Encoding.UTF8.GetString(tail)}");
        }
    }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        _byteCount += bytes.Length;
        foreach (byte one in bytes)
        {
            _matchedBytes = one == EventStart[_matchedBytes] ? _matchedBytes + 1
                : one == EventStart[0] ? 1 : 0;
            if (_matchedBytes < EventStart.Length)
                continue;
            _eventCount++;
            _matchedBytes = 0;
        }
        if (bytes.Length > KeptBytes)
            bytes = bytes[^KeptBytes..];
        if (_tailLength + bytes.Length > _tail.Length)
        {
            _tail.AsSpan(_tailLength - KeptBytes, KeptBytes).CopyTo(_tail);
            _tailLength = KeptBytes;
        }
        bytes.CopyTo(_tail.AsSpan(_tailLength));
        _tailLength += bytes.Length;
        ReadOnlySpan<byte> tail = _tail.AsSpan(0, _tailLength);
        ReadOnlySpan<byte> done = "HTTP/1.1 200"u8;
        bool isRefusal = tail.Length >= done.Length && tail.StartsWith(done[..9]) && !tail.StartsWith(done);
        HasEnded = isRefusal || tail.EndsWith("\r\n0\r\n\r\n"u8);
    }

    /// <summary>A frame is a line of its own with a number of hex digits.</summary>
    private static byte[] WithoutFrames(ReadOnlySpan<byte> chunks)
    {
        List<byte> content = [];
        foreach (Range line in chunks.Split("\r\n"u8))
        {
            ReadOnlySpan<byte> part = chunks[line];
            bool isFrame = part.Length is > 0 and <= 8
                && !part.ContainsAnyExcept(HexDigits);
            if (!isFrame)
                content.AddRange(part);
        }
        return [.. content];
    }
}
