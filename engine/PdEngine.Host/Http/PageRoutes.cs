using System.Text.Json;

namespace PdEngine.Host;

/// <summary>What a browser sees, and how it trades a key for a cookie.</summary>
internal static class PageRoutes
{
    private const string Policy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        + "form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

    private const string Form = """
        <!doctype html><html lang="en"><meta charset="utf-8"><title>PdEngine</title>
        <style>body{font:16px system-ui;max-width:24rem;margin:20vh auto}
        input,button{font:inherit;padding:.4rem;width:100%;box-sizing:border-box;margin:.2rem 0}</style>
        <h1>PdEngine</h1><form id="form"><label>Key <input id="key" type="password"
        autocomplete="current-password" required autofocus></label><button>Enter</button>
        <p id="said" role="status"></p></form>
        <script>
        form.onsubmit = async event => {
          event.preventDefault();
          const answer = await fetch('/login', { method: 'POST',
            headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ key: key.value }) });
          if (answer.ok) location.reload(); else said.textContent = 'That is not the key.';
        };
        </script></html>
        """;

    private const string Page = """
        <!doctype html><html lang="en"><meta charset="utf-8"><title>PdEngine</title>
        <style>body{font:16px system-ui;max-width:40rem;margin:10vh auto}</style>
        <h1>PdEngine</h1><p>This server is running. <a href="/server_info">What it
        runs</a>, <a href="/metrics">metrics</a>.</p></html>
        """;

    public static Task PageAsync(HttpCall call)
    {
        Microsoft.AspNetCore.Http.IHeaderDictionary headers = call.Context.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XFrameOptions = "DENY";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-store";
        string html = call.Access >= Access.Ordinary ? Page : Form;
        return call.WriteTextAsync(html, 200, "text/html; charset=utf-8");
    }

    public static async Task LogInAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        string key = Fields.String(body, "key") ?? throw HttpRefusal.Bad("key", "it is needed");
        Access access = call.Server.Rules.Opens(key)
            ?? throw new HttpRefusal(401, "authentication_error", "that is not the key");
        call.Server.Sessions.Give(call.Context, access);
        await call.WriteOutcomeAsync("The key is taken.").ConfigureAwait(false);
    }
}
