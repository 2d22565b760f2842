using System.Buffers;

namespace PdEngine.Host;

/// <summary>
/// Splits a stream of bytes into lines, ended by LF or CRLF; a byte order mark at the start is left out.
/// </summary>
internal sealed class LineReader(Stream source, int maxLineBytes)
{
    private readonly byte[] _buffer = new byte[64 << 10];
    private int _start;
    private int _end;
    private bool _isPastFirst;

    /// <summary>Bytes of the stream that the lines so far took up.</summary>
    public long TakenBytes { get; private set; }

    /// <summary>
    /// The next line without its end, or null after the last one. One that is longer than the bound is read
    /// over and comes as <see cref="Line.IsTooLong"/>, so that it costs no memory.
    /// </summary>
    public async ValueTask<Line?> NextAsync(CancellationToken cancellation)
    {
        ArrayBufferWriter<byte> line = new();
        bool isTooLong = false, isEmpty = true;
        while (_start < _end || await RefillAsync(cancellation).ConfigureAwait(false))
        {
            isEmpty = false;
            int newline = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            int count = newline < 0 ? _end - _start : newline;
            isTooLong |= line.WrittenCount + count > maxLineBytes;
            if (!isTooLong)
                line.Write(_buffer.AsSpan(_start, count));
            int taken = newline < 0 ? count : count + 1;
            _start += taken;
            TakenBytes += taken;
            if (newline >= 0)
                break;
        }
        if (isEmpty)
            return null;
        return new Line(isTooLong ? default : Trimmed(line.WrittenMemory), isTooLong);
    }

    private ReadOnlyMemory<byte> Trimmed(ReadOnlyMemory<byte> line)
    {
        if (!_isPastFirst && line.Span.StartsWith("\uFEFF"u8))
            line = line["\uFEFF"u8.Length..];
        _isPastFirst = true;
        return line.Span.EndsWith("\r"u8) ? line[..^1] : line;
    }

    /// <summary>Waiting beside the read, since reads of a terminal or a pipe do not heed the token.</summary>
    private async ValueTask<bool> RefillAsync(CancellationToken cancellation)
    {
        _start = 0;
        _end = await source.ReadAsync(_buffer, cancellation).AsTask().WaitAsync(cancellation)
            .ConfigureAwait(false);
        return _end > 0;
    }

    /// <summary>A line of the file.</summary>
    /// <param name="Bytes">Without its end; empty where it is too long.</param>
    /// <param name="IsTooLong">It had more bytes than the bound.</param>
    public readonly record struct Line(ReadOnlyMemory<byte> Bytes, bool IsTooLong);
}
