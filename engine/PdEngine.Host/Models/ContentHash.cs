namespace PdEngine.Host;

/// <summary>Hashes what a file on a hub is known by, as its bytes come.</summary>
internal sealed class ContentHash : IDisposable
{
    private readonly Sha256? _sha256;
    private readonly Sha1? _sha1;

    public ContentHash(HubFile file)
    {
        if (file.Sha256 is not null)
            _sha256 = new Sha256();
        if (file.BlobSha1 is null)
            return;
        _sha1 = new Sha1();
        _sha1.Append(Sha1.BlobStart(file.Bytes));
    }

    public long Bytes { get; private set; }

    /// <summary>After <see cref="Finish"/>.</summary>
    public string? Sha256 { get; private set; }

    /// <inheritdoc cref="Sha256"/>
    public string? BlobSha1 { get; private set; }

    public void Append(ReadOnlySpan<byte> content)
    {
        Bytes += content.Length;
        _sha256?.Append(content);
        _sha1?.Append(content);
    }

    public async Task AppendAsync(Stream content, CancellationToken cancellation)
    {
        byte[] buffer = new byte[1 << 18];
        int count;
        while ((count = await content.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0)
            Append(buffer.AsSpan(0, count));
    }

    public ContentHash Finish()
    {
        Sha256 = _sha256 is null ? null : Convert.ToHexStringLower(_sha256.Finish());
        BlobSha1 = _sha1 is null ? null : Convert.ToHexStringLower(_sha1.Finish());
        return this;
    }

    public void Dispose() => _sha256?.Dispose();
}
