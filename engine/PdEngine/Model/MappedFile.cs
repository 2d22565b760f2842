using System.IO.MemoryMappedFiles;

namespace PdEngine;

/// <summary>
/// A memory-mapped checkpoint file: pages come in as they are read and belong to the page cache.
/// </summary>
internal sealed class MappedFile : IByteSource
{
    private readonly MemoryMappedFile? _mapping;
    private readonly MemoryMappedViewAccessor? _view;

    private MappedFile(FileStream stream)
    {
        LengthBytes = stream.Length;
        // An empty file cannot be mapped; it is refused later by whoever looks for a header in it.
        if (LengthBytes == 0)
            return;
        _mapping = MemoryMappedFile.CreateFromFile(
            stream, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None,
            leaveOpen: true);
        _view = _mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
    }

    public long LengthBytes { get; }

    /// <exception cref="CheckpointException">The file is not there or may not be read.</exception>
    public static MappedFile Open(string path)
    {
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return new MappedFile(stream);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be opened ({fault.Message})", fault);
        }
    }

    /// <remarks>
    /// The view's own ReadSpan copies byte by byte, ten times slower. The pointer is held for one copy, which
    /// also keeps the view from being unmapped under it.
    /// </remarks>
    public unsafe void Read(long offsetBytes, Span<byte> destination)
    {
        Check.That(offsetBytes >= 0 && offsetBytes <= LengthBytes - destination.Length);
        if (_view is null)
            return;
        byte* start = null;
        try
        {
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            new ReadOnlySpan<byte>(start + _view.PointerOffset + offsetBytes, destination.Length)
                .CopyTo(destination);
        }
        finally
        {
            if (start is not null)
                _view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    public void Dispose()
    {
        _view?.Dispose();
        _mapping?.Dispose();
    }
}
