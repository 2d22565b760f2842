namespace PdEngine.Host;

/// <summary>A request is refused: with which status, and why.</summary>
internal sealed class HttpRefusal(int status, string type, string message) : Exception(message)
{
    public int Status => status;

    /// <summary>As OpenAI's errors are typed.</summary>
    public string Type => type;

    /// <summary>The field at fault, or null.</summary>
    public string? Field { get; init; }

    /// <summary>When to come again; null where that is of no use.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>Methods that the route knows.</summary>
    public string? Allow { get; init; }

    public static HttpRefusal Bad(string field, string problem) =>
        new(400, "invalid_request_error", $"{field}: {problem}") { Field = field };

    public static HttpRefusal NoSuchRoute(string path) =>
        new(404, "not_found_error", $"there is no route {Fields.Short(path)}");

    public static HttpRefusal Draining() =>
        new(503, "unavailable_error", "the server is ending and takes no more requests")
        {
            RetryAfterSeconds = 5,
        };

    /// <summary>The refusal that a failure comes to; null where it is no fault of request or world.</summary>
    public static HttpRefusal? Of(Exception error) => error switch
    {
        HttpRefusal refusal => refusal,
        RequestException request => new(400, "invalid_request_error", request.Message)
        {
            Field = request.Field,
        },
        CapacityException { CanRetry: true } => new(429, "rate_limit_error", error.Message)
        {
            RetryAfterSeconds = 1,
        },
        CapacityException or OptionsException or WeightUpdateException or CheckpointException
            or WeightVersionMismatchException => new(400, "invalid_request_error", error.Message),
        WorkerException => new(503, "unavailable_error", error.Message) { RetryAfterSeconds = 5 },
        ObjectDisposedException => Draining(),
        PdEngineException => new(500, "server_error", error.Message),
        Microsoft.AspNetCore.Http.BadHttpRequestException bad => new(
            bad.StatusCode, "invalid_request_error", bad.Message),
        _ => null,
    };
}
