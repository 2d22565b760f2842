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
        if (!flush.IsCompleted)
        {
            Task<FlushResult> waiting = flush.AsTask();
            try
            {
                await waiting.WaitAsync(patience).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                context.Abort();
            }
            flush = new(waiting);
        }
        FlushResult result = await flush.ConfigureAwait(false);
        if (result.IsCompleted || result.IsCanceled || context.RequestAborted.IsCancellationRequested)
            throw new OperationCanceledException("The client has gone.");
    }
}
