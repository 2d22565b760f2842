using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Gives memory back to the system for a while.</summary>
internal static class MemoryRoutes
{
    public static async Task ReleaseAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        await call.Server.Loans.ReleaseAsync(call.Model, MemoryTags.Read(body)).ConfigureAwait(false);
        await call.WriteOutcomeAsync("The memory is given back.").ConfigureAwait(false);
    }

    public static async Task ResumeAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        await call.Server.Loans.ResumeAsync(call.Model, MemoryTags.Read(body)).ConfigureAwait(false);
        await call.Server.Spoilt.HoldAsync(call.Model).ConfigureAwait(false);
        await call.WriteOutcomeAsync("The memory is back.").ConfigureAwait(false);
    }
}
