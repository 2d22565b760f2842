using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Gives memory back to the system for a while.</summary>
internal static class MemoryRoutes
{
    public static async Task ReleaseAsync(HttpCall call)
    {
        JsonElement body = await ControlBody.ReadAsync(call, ["tags"]).ConfigureAwait(false);
        await call.Server.Loans.ReleaseAsync(call.Model, MemoryTags.Read(body)).ConfigureAwait(false);
        await call.WriteOutcomeAsync("The memory is given back.").ConfigureAwait(false);
    }

    public static async Task ResumeAsync(HttpCall call)
    {
        JsonElement body = await ControlBody.ReadAsync(call, ["tags"]).ConfigureAwait(false);
        (IReadOnlySet<string> back, IReadOnlySet<string> away) = await call.Server.Loans
            .ResumeAsync(call.Model, MemoryTags.Read(body)).ConfigureAwait(false);
        await call.Server.Spoilt.HoldAsync(call.Model).ConfigureAwait(false);
        await call.WriteOutcomeAsync(Outcome(back, away)).ConfigureAwait(false);
    }

    private static string Outcome(IReadOnlySet<string> back, IReadOnlySet<string> away)
    {
        string now = back.Count > 0 ? $"Back: {MemoryTags.Show(back)}." : "None of that was away.";
        if (away.Count == 0)
            return back.Count > 0 ? $"{now} Nothing is away now." : now;
        string waits = away.Any(MemoryTags.IsMemory) ? ": the service waits for it" : "";
        return $"{now} Still away: {MemoryTags.Show(away)}{waits}.";
    }
}
