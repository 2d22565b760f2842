using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>What a browser sees, and how it trades a key for a cookie.</summary>
internal static class PageRoutes
{
    // Scripts and styles are files of this server; nothing of a page is ever read as a script.
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; "
        + "trusted-types 'none'";

    // The name in the path changes with the content; whoever has a key may have it until then.
    private const string ForGood = "private, max-age=31536000, immutable";

    public static void AddTo(IDictionary<string, Route> routes)
    {
        routes["/"] = Route.Get(PageAsync, Access.Open);
        routes["/login"] = Route.Post(LogInAsync, Access.Open);
        routes["/page/state"] = Route.Get(PageState.AnswerAsync);
        foreach ((string path, string type, byte[] bytes, bool isOpen) in PageAssets.All)
        {
            routes[path] = Route.Get(
                call => WriteAsync(call, bytes, type, ForGood), isOpen ? Access.Open : Access.Ordinary);
        }
    }

    private static Task PageAsync(HttpCall call)
    {
        call.Context.Response.Headers.XFrameOptions = "DENY";
        byte[] html = call.Access >= Access.Ordinary ? PageAssets.Page : PageAssets.Form;
        return WriteAsync(call, html, "text/html; charset=utf-8", "no-store");
    }

    private static async Task LogInAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        string key = Fields.String(body, "key") ?? throw HttpRefusal.Bad("key", "it is needed");
        Access access = call.Server.Rules.Opens(key)
            ?? throw new HttpRefusal(401, "authentication_error", "that is not the key");
        call.Server.Sessions.Give(call.Context, access);
        await call.WriteOutcomeAsync("The key is taken.").ConfigureAwait(false);
    }

    private static Task WriteAsync(HttpCall call, byte[] bytes, string type, string caching)
    {
        IHeaderDictionary headers = call.Context.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.CacheControl = caching;
        return call.WriteBytesAsync(bytes, type, 200);
    }
}
