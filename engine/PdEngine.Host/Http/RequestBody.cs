using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace PdEngine.Host;

/// <summary>Reads the JSON that a request brings.</summary>
internal static class RequestBody
{
    private const int FirstBytes = 16 << 10;
    private static readonly object ReadKey = new();

    /// <summary>
    /// Some of the body is still on its way: the connection ends with the answer, or the next request on it
    /// would meet its end.
    /// </summary>
    public static bool IsLeft(HttpContext context) => !context.Items.ContainsKey(ReadKey)
        && context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true;

    /// <summary>The document; null where the body is empty.</summary>
    /// <exception cref="HttpRefusal">It is no JSON, not said to be, or too long.</exception>
    public static async Task<JsonDocument?> ReadAsync(
        HttpContext context, long mostBytes, CancellationToken cancellation)
    {
        HttpRequest request = context.Request;
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == false)
            return null;
        if (request.ContentLength > mostBytes)
            throw TooLong(mostBytes);
        bool isJson = IsJson(request.ContentType);
        if (!isJson && request.ContentLength > 0)
            throw NotJson(request.ContentType);
        // Ours is the bound, and the message.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bound)
            bound.MaxRequestBodySize = null;
        byte[] bytes = new byte[FirstBytes];
        int count = 0;
        while (true)
        {
            int read = await request.Body.ReadAsync(bytes.AsMemory(count), cancellation)
                .ConfigureAwait(false);
            if (read == 0)
                break;
            count += read;
            if (!isJson)
                throw NotJson(request.ContentType);
            if (count > mostBytes)
                throw TooLong(mostBytes);
            if (count == bytes.Length)
                Array.Resize(ref bytes, (int)Math.Min(bytes.Length * 2L, mostBytes + 1));
        }
        context.Items[ReadKey] = true;
        return count == 0 ? null : Parse(bytes.AsMemory(0, count));
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> bytes)
    {
        if (!System.Text.Unicode.Utf8.IsValid(bytes.Span))
            throw HttpRefusal.Bad("body", "it is not UTF-8 text");
        try
        {
            return JsonDocument.Parse(bytes);
        }
        catch (JsonException error)
        {
            int line = (int)(error.LineNumber ?? 0) + 1;
            throw HttpRefusal.Bad(
                "body", $"line {line}, byte {error.BytePositionInLine + 1}: {JsonFault.Problem(error)}");
        }
    }

    private static bool IsJson(string? contentType)
    {
        if (contentType is null)
            return false;
        int end = contentType.IndexOf(';', StringComparison.Ordinal);
        ReadOnlySpan<char> media = (end < 0 ? contentType : contentType.AsSpan(0, end)).Trim();
        return media.Equals("application/json", StringComparison.OrdinalIgnoreCase);
    }

    private static HttpRefusal NotJson(string? contentType) => new(415, "invalid_request_error",
        contentType is null
            ? "the body has no Content-Type; send it as application/json"
            : $"the body is '{Fields.Short(contentType)}'; send it as application/json");

    private static HttpRefusal TooLong(long mostBytes) => new(413, "invalid_request_error",
        $"the body is longer than the {mostBytes} bytes that are taken here");
}
