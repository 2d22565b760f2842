using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>Which route a request takes; a service's name may stand before every path.</summary>
internal sealed class RouteTable(IEnumerable<string> services)
{
    public const string OneModel = "/v1/models/";
    private readonly string[] _services = [.. services];
    private readonly Dictionary<string, Route> _routes = Make();

    /// <summary>Of requests that come to none.</summary>
    public Route Refused { get; } = Route.Get(_ => Task.CompletedTask, Access.Open);

    /// <summary>The route, and the service that the path names.</summary>
    /// <param name="request">Which.</param>
    /// <param name="isTrusted">He may hear which paths there are.</param>
    /// <exception cref="HttpRefusal">There is none, or not for this method.</exception>
    public (Route Route, string? Service) Find(HttpRequest request, bool isTrusted)
    {
        string path = request.Path.Value ?? "/";
        string? service = null;
        if (!_routes.TryGetValue(path, out Route? route))
        {
            service = _services.FirstOrDefault(
                name => path.StartsWith($"/{name}/", StringComparison.Ordinal));
            if (service is not null)
                _routes.TryGetValue(path[(service.Length + 1)..], out route);
        }
        if (route is null && path.StartsWith(OneModel, StringComparison.Ordinal))
            route = _routes[OneModel];
        if (route is null)
        {
            if (!isTrusted)
                AccessRules.Require(Access.Open, Access.Ordinary, path);
            throw HttpRefusal.NoSuchRoute(path);
        }
        if (!route.Methods.Contains(request.Method))
        {
            string allow = string.Join(", ", route.Methods);
            throw new HttpRefusal(405, "invalid_request_error",
                $"{Fields.Short(path)} takes {allow}, not {Fields.Short(request.Method)}") { Allow = allow };
        }
        return (route, service);
    }

    private static Dictionary<string, Route> Make()
    {
        Dictionary<string, Route> routes = new(StringComparer.Ordinal)
        {
            ["/health"] = Route.Get(HealthRoutes.HealthAsync, Access.Open),
            ["/health_generate"] = Route.Get(HealthRoutes.GenerateAsync),
            ["/generate"] = Route.Work(GenerateRoute.AnswerAsync),
            ["/tokenize"] = Route.Post(TokenRoutes.TokenizeAsync),
            ["/detokenize"] = Route.Post(TokenRoutes.DetokenizeAsync),
            ["/server_info"] = Route.Get(FactRoutes.ServerAsync),
            ["/model_info"] = Route.Get(FactRoutes.ModelAsync),
            ["/get_load"] = Route.Get(LoadRoutes.GetLoadAsync),
            ["/v1/loads"] = Route.Get(LoadRoutes.LoadsAsync),
            ["/abort_request"] = Route.Post(ControlRoutes.AbortAsync),
            ["/flush_cache"] = Route.GetOrPost(ControlRoutes.FlushAsync, Access.Admin),
            ["/pause_generation"] = Route.Post(ControlRoutes.PauseAsync, Access.Admin),
            ["/continue_generation"] = Route.Post(ControlRoutes.ContinueAsync, Access.Admin),
            ["/release_memory_occupation"] = Route.GetOrPost(MemoryRoutes.ReleaseAsync, Access.Admin),
            ["/resume_memory_occupation"] = Route.GetOrPost(MemoryRoutes.ResumeAsync, Access.Admin),
            ["/update_weights_from_disk"] = Route.Post(WeightRoutes.FromDiskAsync, Access.Admin),
            ["/update_weights_from_tensor"] = Route.Post(WeightRoutes.FromTensorAsync, Access.Admin) with
            {
                TakesWeights = true,
            },
            ["/update_weight_version"] = Route.Post(WeightRoutes.RenameAsync, Access.Admin),
            ["/weights_checker"] = Route.Post(WeightRoutes.CheckAsync, Access.Admin),
            ["/get_weight_version"] = Route.GetOrPost(WeightRoutes.VersionAsync),
            ["/v1/models"] = Route.Get(FactRoutes.ModelsAsync),
            [OneModel] = Route.Get(FactRoutes.OneModelAsync),
            ["/v1/chat/completions"] = Route.Work(ChatRoute.AnswerAsync),
            ["/metrics"] = Route.Get(MetricsRoute.AnswerAsync),
            ["/v1/completions"] = Route.Work(CompletionRoute.AnswerAsync),
        };
        PageRoutes.AddTo(routes);
        routes["/get_server_info"] = routes["/server_info"];
        routes["/get_model_info"] = routes["/model_info"];
        routes["/weight_version"] = routes["/get_weight_version"];
        foreach ((string path, string instead) in NotServed.Paths)
            routes[path] = NotServed.Route(path, instead);
        return routes;
    }
}
