using Microsoft.Extensions.Options;

namespace PdEngine;

/// <summary>Refuses settings that no engine can start with, before anything is loaded.</summary>
internal sealed class SettingsCheck : IValidateOptions<PdEngineSettings>
{
    public ValidateOptionsResult Validate(string? name, PdEngineSettings options)
    {
        try
        {
            OptionChecks.ThrowIfInvalid(options.ToOptions());
            return ValidateOptionsResult.Success;
        }
        catch (OptionsException refused)
        {
            return ValidateOptionsResult.Fail(refused.Message);
        }
    }
}
