using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>Sends what was written, and gives a client up that takes nothing for too long.</summary>
internal sealed class SlowReader(HttpContext context, TimeSpan patience)
{
    /// <exception cref="OperationCanceledException">The client has gone, or was given up.</exception>
    public async ValueTask FlushAsync()
    {
        ValueTask<FlushResult> flush = context.Response.BodyWriter.FlushAsync(context.RequestAborted);
        FlushResult result = flush.IsCompleted
            ? await flush.ConfigureAwait(false)
            : await WaitAsync(flush.AsTask()).ConfigureAwait(false);
        if (result.IsCompleted || result.IsCanceled || context.RequestAborted.IsCancellationRequested)
            throw new OperationCanceledException("The client has gone.");
    }

    private async Task<FlushResult> WaitAsync(Task<FlushResult> flush)
    {
        try
        {
            return await flush.WaitAsync(patience).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            context.Abort();
            return await flush.ConfigureAwait(false);
        }
    }
}
