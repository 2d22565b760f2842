namespace PdEngine.Host;

/// <summary>
/// How busy a service is. Every request counts from its arrival to its end, those between two workers too.
/// </summary>
internal static class LoadRoutes
{
    /// <summary>As the gateway asks.</summary>
    public static Task GetLoadAsync(HttpCall call) => call.WriteAsync(json =>
    {
        (int total, int waiting) = Count(call.Model);
        EngineMetrics metrics = call.Model.Metrics;
        long heldBlocks = Math.Max(0, metrics.TotalBlocks - metrics.FreeBlocks - metrics.CachedBlocks);
        json.WriteStartArray();
        json.WriteStartObject();
        json.WriteNumber("dp_rank", 0);
        json.WriteNumber("num_reqs", total);
        json.WriteNumber("num_waiting_reqs", waiting);
        json.WriteNumber("num_tokens", heldBlocks * metrics.PageSize);
        json.WriteEndObject();
        json.WriteEndArray();
    });

    /// <summary>As trainers ask, until nothing is left.</summary>
    public static Task LoadsAsync(HttpCall call) => call.WriteAsync(json =>
    {
        (int total, int waiting) = Count(call.Model);
        json.WriteStartObject();
        json.WriteStartArray("loads");
        json.WriteStartObject();
        json.WriteNumber("dp_rank", 0);
        json.WriteNumber("num_running_reqs", total - waiting);
        json.WriteNumber("num_waiting_reqs", waiting);
        json.WriteNumber("num_total_reqs", total);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static (int Total, int Waiting) Count(EngineModel model)
    {
        int total = model.LiveRequestCount;
        return (total, Math.Min(total, model.Metrics.QueuedRequests));
    }
}
