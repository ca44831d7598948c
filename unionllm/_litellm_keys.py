"""Where LiteLLM finds keys in the environment, for what it does not tell when it is asked. Facts, as data.

Measured with LiteLLM 1.105.3 (2026-11-23) and later.
"""

from __future__ import annotations

#: Variables with a key that LiteLLM reads only while it sends; any one of them will do.
KEY_VARIABLES = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "anthropic_text": ("ANTHROPIC_API_KEY",),
    "cloudflare": ("CLOUDFLARE_API_KEY",),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY"),
    "cohere_chat": ("COHERE_API_KEY", "CO_API_KEY"),
    "cometapi": ("COMETAPI_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "huggingface": ("HF_TOKEN", "HUGGINGFACE_API_KEY"),
    "nlp_cloud": ("NLP_CLOUD_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY"),
    "replicate": ("REPLICATE_API_KEY", "REPLICATE_API_TOKEN"),
    "text-completion-codestral": ("CODESTRAL_API_KEY",),
    "text-completion-inception": ("INCEPTION_API_KEY",),
    "text-completion-openai": ("OPENAI_API_KEY",),
}
#: Codes that may call without a key, and the variables of the keys that they take if there is one.
FURTHER_KEYS = {
    "azure": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN"),
    "azure_text": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_AD_TOKEN"),
    "azure_ai": ("AZURE_AI_API_KEY", "AZURE_API_KEY"),
    "bedrock": ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"),
    "sagemaker": ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "sagemaker_chat": ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "watsonx": ("WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY", "WATSONX_TOKEN"),
}
#: Variables of OpenAI-format codes that are not the code in capitals and ``_API_KEY``.
ODD_VARIABLES = {"lambda_ai": "LAMBDA_API_KEY", "meta_llama": "LLAMA_API_KEY"}
