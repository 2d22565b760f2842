using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace PdEngine;

/// <summary>Adds an engine to a program's services.</summary>
public static class PdEngineRegistration
{
    /// <summary>Name of the health check.</summary>
    public const string HealthCheckName = "pdengine";

    /// <summary>
    /// Adds <see cref="HostedEngine"/>, which loads the engine with the host, an <see cref="IChatClient"/>
    /// that answers by its chat template, and a health check; settings are checked when the host starts.
    /// Spans and metrics are OpenTelemetry's to take: <c>AddSource("PdEngine")</c> and
    /// <c>AddMeter("PdEngine")</c>.
    /// </summary>
    /// <param name="services">What they are added to.</param>
    /// <param name="configure">Sets the model and what else is not the default.</param>
    public static IServiceCollection AddPdEngine(
        this IServiceCollection services, Action<PdEngineSettings> configure)
    {
        services.AddOptions<PdEngineSettings>().Configure(configure).ValidateOnStart();
        return AddParts(services);
    }

    /// <summary>As the other, from a section of the configuration; unknown keys are refused.</summary>
    /// <param name="services">What they are added to.</param>
    /// <param name="section">Its keys are the fields of <see cref="PdEngineSettings"/>.</param>
    public static IServiceCollection AddPdEngine(
        this IServiceCollection services, IConfigurationSection section)
    {
        services.AddOptions<PdEngineSettings>()
            .Bind(section, binding => binding.ErrorOnUnknownConfiguration = true).ValidateOnStart();
        return AddParts(services);
    }

    private static IServiceCollection AddParts(IServiceCollection services)
    {
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<PdEngineSettings>, SettingsCheck>());
        services.TryAddSingleton<HostedEngine>();
        services.AddHostedService(provider => provider.GetRequiredService<HostedEngine>());
        services.TryAddSingleton<IChatClient>(
            provider => new EngineChat(provider.GetRequiredService<HostedEngine>()));
        services.AddHealthChecks().AddCheck<EngineHealth>(HealthCheckName);
        return services;
    }
}
