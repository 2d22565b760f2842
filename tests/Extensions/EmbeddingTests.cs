using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace PdEngine.Tests;

/// <summary>The engine among a program's services.</summary>
public sealed class EmbeddingTests
{
    private static readonly ChatMessage Sum = new(ChatRole.User, "12+7=");
    private static readonly ChatOptions Greedy = new() { Temperature = 0 };

    private static readonly AIFunctionDeclaration Weather = AIFunctionFactory.CreateDeclaration(
        "get_weather", "The weather of a city.",
        PdEngineRun.Json("""{"type":"object","properties":{"city":{"type":"string"}}}"""));

    [Test]
    public async Task A_chat_is_answered_whole_and_streamed_alike()
    {
        await using ServiceProvider services = Tiny();
        IChatClient chat = services.GetRequiredService<IChatClient>();
        ChatResponse answer = await chat.GetResponseAsync([Sum], Greedy);
        Assert.That((answer.Text, answer.FinishReason), Is.EqualTo(("19", ChatFinishReason.Stop)));
        ChatResponse streamed = await chat.GetStreamingResponseAsync([Sum], Greedy).ToChatResponseAsync();
        Assert.That((streamed.Text, streamed.FinishReason), Is.EqualTo(("19", ChatFinishReason.Stop)));
        Assert.That(streamed.Usage!.TotalTokenCount, Is.EqualTo(answer.Usage!.TotalTokenCount).And.Positive);
        Assert.That(chat.GetService(typeof(Engine)),
            Is.SameAs(services.GetRequiredService<HostedEngine>().Current));
    }

    [Test]
    public async Task What_would_change_the_answer_and_is_not_there_is_refused()
    {
        await using ServiceProvider services = Tiny();
        IChatClient chat = services.GetRequiredService<IChatClient>();
        ChatOptions[] refused =
        [
            new() { ResponseFormat = ChatResponseFormat.Json },
            new() { Tools = [new HostedWebSearchTool()] },
            new() { Tools = [Weather], ToolMode = ChatToolMode.RequireAny },
            new() { Tools = [Weather], AllowMultipleToolCalls = false },
        ];
        foreach (ChatOptions options in refused)
        {
            Assert.That(async () => await chat.GetResponseAsync([Sum], options),
                Throws.TypeOf<RequestException>());
        }
        ChatMessage picture = new(ChatRole.User, [new UriContent("http://a/b.png", "image/png")]);
        Assert.That(async () => await chat.GetResponseAsync([picture]), Throws.TypeOf<RequestException>());
    }

    [Test]
    public async Task A_tool_is_called_whole_and_streamed_and_its_result_goes_back()
    {
        string folder = ScriptedModel.Folder("Sure. ", "<tool_call>\n{\"name\": \"get_weather\", ",
            "\"arguments\": {\"city\": \"Paris\"}}\n</tool_call>");
        await using ServiceProvider services = Of(folder);
        IChatClient chat = services.GetRequiredService<IChatClient>();
        ChatMessage hi = new(ChatRole.User, "hi");
        ChatOptions options = new() { Temperature = 0, Tools = [Weather] };
        ChatResponse whole = await chat.GetResponseAsync([hi], options);
        ChatResponse streamed = await chat.GetStreamingResponseAsync([hi], options).ToChatResponseAsync();
        foreach (ChatResponse answer in (ChatResponse[])[whole, streamed])
        {
            Assert.That(answer.FinishReason, Is.EqualTo(ChatFinishReason.ToolCalls));
            Assert.That(answer.Text, Is.EqualTo("Sure."));
            FunctionCallContent call = answer.Messages.SelectMany(message => message.Contents)
                .OfType<FunctionCallContent>().Single();
            Assert.That(call.Name, Is.EqualTo("get_weather"));
            Assert.That($"{call.Arguments!["city"]}", Is.EqualTo("Paris"));
        }
        Assert.That(((Generation)whole.RawRepresentation!).PromptIds.Length, Is.EqualTo("T1 u:hi;a:".Length));
        FunctionCallContent made =
            whole.Messages[0].Contents.OfType<FunctionCallContent>().Single();
        ChatMessage result = new(ChatRole.Tool, [new FunctionResultContent(made.CallId, "sunny")]);
        ChatResponse after = await chat.GetResponseAsync([hi, whole.Messages[0], result], options);
        Assert.That(((Generation)after.RawRepresentation!).PromptIds.Length,
            Is.EqualTo("T1 u:hi;a:Sure.;t:sunny;a:".Length));
        ChatResponse plain = await chat.GetResponseAsync([hi], Greedy);
        Assert.That(plain.Text, Does.Contain("<tool_call>"), "without tools it is text");
        Assert.That(plain.FinishReason, Is.EqualTo(ChatFinishReason.Stop));
    }

    [Test]
    public async Task Its_health_is_that_of_its_workers()
    {
        await using ServiceProvider services = Tiny();
        HealthCheckService health = services.GetRequiredService<HealthCheckService>();
        Assert.That((await health.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Unhealthy));
        Engine engine = await services.GetRequiredService<HostedEngine>().GetAsync();
        Assert.That((await health.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
        EngineModel model = engine.Models[0];
        model.KillWorker(model.Workers[0].Name);
        Assert.That(() => health.CheckHealthAsync().Result.Status,
            Is.EqualTo(HealthStatus.Unhealthy).After(60_000, 20));
        WorkerStatus[] half = [model.Workers[0], model.Workers[0] with { IsAlive = true }];
        Assert.That(EngineHealth.Of(half).Status, Is.EqualTo(HealthStatus.Degraded));
    }

    [TestCase("ModelPath", "", "model_path")]
    [TestCase("PageSize", "3", "page_size")]
    [TestCase("PagesSize", "64", "PagesSize")]
    public async Task Wrong_settings_are_refused_when_the_host_starts(string key, string value, string word)
    {
        Dictionary<string, string?> keys =
            new() { ["Engine:ModelPath"] = "none.gguf", [$"Engine:{key}"] = value };
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(keys);
        builder.Services.AddPdEngine(builder.Configuration.GetSection("Engine"));
        using IHost host = builder.Build();
        Exception refused = Assert.CatchAsync(() => host.StartAsync())!;
        Assert.That($"{refused.Message} {refused.InnerException?.Message}", Does.Contain(word));
        await host.StopAsync();
    }

    [Test]
    public async Task Settings_come_from_configuration_and_the_host_loads_and_ends_it()
    {
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Engine:ModelPath"] = ModelPath(), ["Engine:MaxTotalTokens"] = "4096",
            ["Engine:Backend"] = "reference",
        });
        builder.Services.AddPdEngine(builder.Configuration.GetSection("Engine"));
        using IHost host = builder.Build();
        HostedEngine hosted = host.Services.GetRequiredService<HostedEngine>();
        await host.StartAsync();
        Assert.That(hosted.Current!.BackendName, Does.Contain("reference"));
        Assert.That(host.Services.GetRequiredService<IOptions<PdEngineSettings>>().Value.MaxTotalTokens,
            Is.EqualTo(4096));
        await host.StopAsync();
        Assert.That(hosted.Current, Is.Null);
        Assert.That(() => hosted.GetAsync(), Throws.TypeOf<ObjectDisposedException>());
    }

    private static ServiceProvider Tiny() => Of(ModelPath());

    private static ServiceProvider Of(string model) => new ServiceCollection().AddLogging()
        .AddPdEngine(settings => (settings.ModelPath, settings.MaxTotalTokens) = (model, 4096))
        .BuildServiceProvider();

    private static string ModelPath() => Path.Combine(TestFiles.Root, "models", "pd-tiny");
}
