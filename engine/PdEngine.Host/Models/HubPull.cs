using System.Net;
using System.Net.Http.Headers;

namespace PdEngine.Host;

/// <summary>
/// Fetches files of one revision, several at once. Each comes under a name of its own, which it keeps until
/// all are there, and goes on from where it was left until its checksum is right.
/// </summary>
internal sealed class HubPull(HubClient hub, string repo, string commit, PullFolder folder)
{
    private const int BufferBytes = 1 << 18;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(2);

    private long _fetchedBytes;

    /// <summary>Files at once.</summary>
    public int Parallel { get; init; } = 4;

    /// <summary>Tries in a row that bring nothing.</summary>
    public int Tries { get; init; } = 6;

    /// <summary>What the second try waits for; each later one waits twice as long.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>A connection that brings nothing for so long is given up.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Heard as bytes come, of all files: so many so far.</summary>
    public Action<long> Progress { get; set; } = _ => { };

    public long FetchedBytes => Interlocked.Read(ref _fetchedBytes);

    /// <exception cref="IOException">A file does not come, or not as it should.</exception>
    public Task RunAsync(IReadOnlyList<HubFile> files, CancellationToken cancellation) =>
        System.Threading.Tasks.Parallel.ForEachAsync(
            files.OrderByDescending(file => file.Bytes),
            new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellation },
            async (file, ending) => await FetchAsync(file, ending).ConfigureAwait(false));

    private async Task FetchAsync(HubFile file, CancellationToken cancellation)
    {
        string partial = folder.PartialOf(file);
        EntityTagHeaderValue? etag = null;
        int idleTries = 0;
        bool wasWrong = false;
        while (true)
        {
            long before = new FileInfo(partial) is { Exists: true, Length: var length } ? length : 0;
            try
            {
                (etag, bool isRight) =
                    await TryAsync(file, partial, etag, cancellation).ConfigureAwait(false);
                if (isRight)
                    return;
                File.Delete(partial);
                if (wasWrong)
                {
                    throw new HubFault(200, retryAfter: null,
                        $"'{file.Name}' came twice with another content than the hub's listing says "
                        + "(checksum or size); it may have changed: run again");
                }
                wasWrong = true;
            }
            catch (Exception fault) when (CanRetry(fault, cancellation))
            {
                idleTries = File.Exists(partial) && new FileInfo(partial).Length > before ? 0 : idleTries + 1;
                if (idleTries >= Tries)
                    throw new IOException($"'{file.Name}' does not come: {fault.Message}", fault);
                TimeSpan wait = (fault as HubFault)?.RetryAfter ?? FirstWait * Math.Pow(2, idleTries);
                await Task.Delay(wait < LongestWait ? wait : LongestWait, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>One connection: the rest of the file, and whether it is as it should be.</summary>
    private async Task<(EntityTagHeaderValue? Etag, bool IsRight)> TryAsync(
        HubFile file, string partial, EntityTagHeaderValue? etag, CancellationToken cancellation)
    {
        // Unbuffered: what has come is in the file, however the process ends.
        using FileStream target = new(
            partial, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        if (target.Length > file.Bytes || !file.HasHash)
            target.SetLength(0);
        using ContentHash hash = new(file);
        await hash.AppendAsync(target, cancellation).ConfigureAwait(false);
        if (hash.Bytes == file.Bytes && file.Bytes > 0)
            return (etag, file.IsOf(hash.Finish()));
        using CancellationTokenSource stalled =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        stalled.CancelAfter(Stall);
        using HttpResponseMessage answer = await OpenAsync(file, target, etag, stalled.Token)
            .ConfigureAwait(false);
        ContentHash counted = hash;
        using ContentHash anew = new(file);
        if (hash.Bytes > 0 && answer.StatusCode != HttpStatusCode.PartialContent)
        {
            // All of it: the server reads no ranges, or the file is another one by now.
            target.SetLength(0);
            counted = anew;
        }
        else if (hash.Bytes > 0 && answer.Content.Headers.ContentRange?.From != hash.Bytes)
        {
            throw new IOException("the hub sends another part than was asked for");
        }
        using Stream body = await answer.Content.ReadAsStreamAsync(stalled.Token).ConfigureAwait(false);
        byte[] buffer = new byte[BufferBytes];
        int count;
        while ((count = await body.ReadAsync(buffer, stalled.Token).ConfigureAwait(false)) > 0)
        {
            stalled.CancelAfter(Stall);
            counted.Append(buffer.AsSpan(0, count));
            if (counted.Bytes > file.Bytes)
                return (null, false);
            await target.WriteAsync(buffer.AsMemory(0, count), cancellation).ConfigureAwait(false);
            Progress(Interlocked.Add(ref _fetchedBytes, count));
        }
        target.Flush(flushToDisk: true);
        if (counted.Bytes < file.Bytes)
            throw new IOException($"the connection ended {file.Bytes - counted.Bytes} bytes early");
        return (answer.Headers.ETag, file.IsOf(counted.Finish()));
    }

    private async Task<HttpResponseMessage> OpenAsync(
        HubFile file, FileStream target, EntityTagHeaderValue? etag, CancellationToken cancellation)
    {
        try
        {
            return await hub.OpenAsync(repo, commit, file.Name, target.Length, etag, cancellation)
                .ConfigureAwait(false);
        }
        catch (HubFault fault) when (fault.Status == 416)
        {
            target.SetLength(0);
            throw new IOException("the hub has no such part of the file; it is fetched anew", fault);
        }
    }

    private static bool CanRetry(Exception fault, CancellationToken cancellation) =>
        !cancellation.IsCancellationRequested && fault switch
        {
            HubFault answer => answer.CanRetry,
            IOException io => !IsOfDisk(io),
            HttpRequestException or OperationCanceledException => true,
            _ => false,
        };

    /// <summary>Whether the disk is full, or too many files are open: asking again does not help.</summary>
    private static bool IsOfDisk(IOException fault) => (fault.HResult & 0xFFFF) is 28 or 24 or 13 or 30;
}
