using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>The span that a caller names, by the W3C's Trace Context.</summary>
internal static class TraceParent
{
    private const int MostStateLetters = 512;

    /// <summary>Null where none is named, or badly: tracing never refuses a request.</summary>
    public static ActivityContext? Of(HttpRequest request)
    {
        if (request.Headers.TraceParent is not [{ } parent])
            return null;
        string? state = request.Headers.TraceState.ToString();
        if (state.Length is 0 or > MostStateLetters)
            state = null;
        return ActivityContext.TryParse(parent, state, isRemote: true, out ActivityContext context)
            ? context
            : null;
    }
}
