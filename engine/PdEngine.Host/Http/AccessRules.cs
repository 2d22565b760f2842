using System.Net;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>
/// Who may ask: requests must be addressed to this server, come from no foreign page, and show the key where
/// there is one.
/// </summary>
/// <param name="options">Keys and names.</param>
/// <param name="sessions">Cookies that were traded for keys.</param>
internal sealed class AccessRules(ServeOptions options, SessionCookies sessions)
{
    private const string Bearer = "Bearer ";
    private static readonly string[] LoopbackNames = ["localhost", "127.0.0.1", "[::1]"];

    public static HttpRefusal NeedsAdmin(string what) => new(403, "permission_error",
        $"{what} needs the admin key: send it as Authorization: Bearer");

    /// <summary>What the caller may do.</summary>
    /// <exception cref="HttpRefusal">The request is not for this server, or from a foreign page.</exception>
    public Access Of(HttpContext context)
    {
        CheckHost(context);
        CheckOrigin(context);
        if (options.ApiKey is null && options.AdminKey is null)
            return Access.Admin;
        return Max(ByKey(context.Request), sessions.AccessOf(context.Request),
            options.ApiKey is null ? Access.Ordinary : Access.Open);
    }

    /// <summary>What a key opens; null where it is none.</summary>
    public Access? Opens(string key)
    {
        // Both are always compared, so that time tells nothing.
        bool isAdmin = options.AdminKey?.Matches(key) ?? false;
        bool isOrdinary = options.ApiKey?.Matches(key) ?? false;
        return isAdmin ? Access.Admin
            : !isOrdinary ? null
            : options.AdminKey is null ? Access.Admin : Access.Ordinary;
    }

    /// <exception cref="HttpRefusal">He may not.</exception>
    public static void Require(Access has, Access needs, string what)
    {
        if (has >= needs)
            return;
        if (has == Access.Open)
        {
            throw new HttpRefusal(401, "authentication_error",
                "a key is needed: send it as Authorization: Bearer");
        }
        throw NeedsAdmin(what);
    }

    private Access ByKey(HttpRequest request)
    {
        string? given = request.Headers.Authorization;
        return given is not null && given.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
            ? Opens(given[Bearer.Length..].Trim()) ?? Access.Open
            : Access.Open;
    }

    /// <summary>A page elsewhere whose name is made to mean this machine must not reach it.</summary>
    private void CheckHost(HttpContext context)
    {
        string host = context.Request.Host.Host;
        IPAddress? local = context.Connection.LocalIpAddress;
        bool isKnown = Is(host, options.Host)
            || options.AllowedHosts.Any(allowed => Is(host, allowed)
                || Is(context.Request.Host.Value ?? "", allowed))
            || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && Same(address, local))
            || (local is not null && IPAddress.IsLoopback(local)
                && LoopbackNames.Any(name => Is(host, name)));
        if (!isKnown)
        {
            throw new HttpRefusal(403, "permission_error",
                $"the request is addressed to '{Fields.Short(host)}', which is not where this server "
                + "listens; start it with --allowed-host NAME to serve that name");
        }
    }

    private static void CheckOrigin(HttpContext context)
    {
        HttpRequest request = context.Request;
        string? origin = request.Headers.Origin;
        string own = $"{request.Scheme}://{request.Host.Value}";
        bool isForeign = origin is not null && !Is(origin, own)
            && !Is(origin, $"https://{request.Host.Value}");
        // Simple requests of old forms carry no Origin; browsers say for all of them where they come from.
        string? site = request.Headers["Sec-Fetch-Site"];
        bool isForeignFetch = site is "cross-site" or "same-site"
            && !(request.Path == "/" && HttpMethods.IsGet(request.Method));
        if (isForeign || isForeignFetch)
        {
            throw new HttpRefusal(403, "permission_error",
                "pages of other sites may not call this server");
        }
    }

    private static bool Is(string given, string wanted) =>
        given.Equals(wanted, StringComparison.OrdinalIgnoreCase);

    private static bool Same(IPAddress address, IPAddress? local) => local is not null
        && (address.Equals(local) || (local.IsIPv4MappedToIPv6 && address.Equals(local.MapToIPv4())));

    private static Access Max(Access a, Access b, Access c) =>
        (Access)Math.Max((int)a, Math.Max((int)b, (int)c));
}
