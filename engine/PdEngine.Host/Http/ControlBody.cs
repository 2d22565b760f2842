using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// Bodies of what changes the server. A name that is not known is an error: misspelt, it would leave the
/// route with what it does by default, which may be the most drastic.
/// </summary>
internal static class ControlBody
{
    /// <summary>Of every route: the service, and SGLang's names of the request itself.</summary>
    private static readonly string[] OfAll = ["model", "rid", "http_worker_ipc"];

    /// <summary>Reads a body and checks its names.</summary>
    /// <param name="call">Whose.</param>
    /// <param name="actedOn">What the route reads.</param>
    /// <param name="harmless">SGLang's, that ask for nothing here.</param>
    /// <exception cref="HttpRefusal">There is no such field.</exception>
    public static async Task<JsonElement> ReadAsync(
        HttpCall call, string[] actedOn, params string[] harmless)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        DuplicateNames.Refuse(body);
        foreach (JsonProperty property in body.EnumerateObject())
        {
            string name = Fields.NameOf(property);
            if (!actedOn.Contains(name) && !harmless.Contains(name) && !OfAll.Contains(name))
                throw HttpRefusal.Bad(Fields.Short(name), $"there is no such field; {Advice(name, actedOn)}");
        }
        return body;
    }

    private static string Advice(string name, string[] actedOn)
    {
        if (NearestName.Of(name, actedOn, within: Math.Clamp(name.Length / 2, 1, 3)) is { } near)
            return $"did you mean '{near}'?";
        return actedOn.Length == 0
            ? "leave it out"
            : $"leave it out, or use {string.Join(", ", actedOn)}";
    }
}
